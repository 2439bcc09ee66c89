import { UseSignal } from "@jupyterlab/apputils";
import type { JSX } from "react";
import { PanelFooter } from "./footer";
import { EnvironmentList } from "./list";
import { NothingHere, TroubleNotice } from "./notice";
import { PanelContext, type PanelSurroundings } from "./surroundings";
import { PanelSearch, PanelToolbar } from "./toolbar";

/** All environments, by namespace. */
export function EnvironmentsPanel(around: PanelSurroundings): JSX.Element {
  const { view } = around;
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
