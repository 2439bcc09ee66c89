import { UseSignal } from "@jupyterlab/apputils";
import { type JSX, useEffect, useState } from "react";
import { PanelFooter } from "./footer";
import { EnvironmentList } from "./list";
import { NothingHere, TroubleNotice } from "./notice";
import { PanelContext, type PanelSurroundings } from "./surroundings";
import { PanelSearch, PanelToolbar } from "./toolbar";

/** Ages are true for a minute. */
function useMinutes(): void {
  const [, tell] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tell((minutes) => minutes + 1), 60_000);
    return () => clearInterval(timer);
  }, []);
}

/** All environments, by namespace. */
export function EnvironmentsPanel(around: PanelSurroundings): JSX.Element {
  const { view } = around;
  useMinutes();
  return (
    <PanelContext.Provider value={around}>
      <UseSignal signal={view.changed}>
        {() => (
          <>
            <PanelToolbar />
            <PanelSearch />
            <TroubleNotice />
            {view.items.length > 0 ? <EnvironmentList items={view.items} /> : <NothingHere />}
            <PanelFooter />
          </>
        )}
      </UseSignal>
    </PanelContext.Provider>
  );
}
