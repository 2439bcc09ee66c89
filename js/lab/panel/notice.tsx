import { Button } from "@jupyterlab/ui-components";
import type { JSX, ReactNode } from "react";
import type { EnvironmentsModel } from "../model";
import { CommandIDs } from "../tokens";
import { execute, usePanel } from "./surroundings";

const TITLES = {
  unreachable: "conda-store does not answer",
  refused: "conda-store does not let you in",
  unconfigured: "No conda-store server is configured",
  ok: "",
};

/** Says what is wrong, in place: environments that were there stay below it. */
export function TroubleNotice(): JSX.Element | null {
  const { model, commands } = usePanel();
  const { connection } = model;
  if (!connection || connection.state === "ok") return null;
  return (
    <section className={`jp-CondaStore-notice jp-mod-${connection.state}`} role="alert">
      <strong>{TITLES[connection.state]}</strong>
      {connection.message && <p title={connection.message}>{connection.message}</p>}
      {connection.state === "unconfigured" && <HowToConfigure />}
      {connection.state === "refused" && (
        <p>Ask whoever runs conda-store for access, or for another token.</p>
      )}
      {connection.state === "unreachable" && model.environments.length > 0 && (
        <p>What is shown is what was there last. It is tried again by itself.</p>
      )}
      <Button small onClick={() => execute(commands, CommandIDs.refresh)}>
        Try again
      </Button>
    </section>
  );
}

const HowToConfigure = (): JSX.Element => (
  <p>
    Set <code>CONDA_STORE_URL</code> and <code>CONDA_STORE_TOKEN</code> where JupyterLab is started,
    or <code>c.CondaStoreConnection.url</code> and <code>c.CondaStoreConnection.token</code> in{" "}
    <code>jupyter_server_config.py</code>. Under a JupyterHub the address is enough.
  </p>
);

/** What stands in place of rows when there are none. */
export function NothingHere(): JSX.Element | null {
  const { model, view } = usePanel();
  if (!model.connection) return <Empty>Looking for environments…</Empty>;
  if (model.environments.length === 0) return <EmptyStore model={model} />;
  return (
    <Empty>
      No environment fits{view.search.trim() && <q>{view.search.trim()}</q>}.{" "}
      <Button
        small
        onClick={() => {
          view.setSearch("");
          view.setStatus("all");
        }}
      >
        Show all
      </Button>
    </Empty>
  );
}

function EmptyStore({ model }: { model: EnvironmentsModel }): JSX.Element | null {
  const { commands } = usePanel();
  if (model.connection?.state !== "ok") return null;
  if (model.writable.length === 0)
    return (
      <Empty>
        There is no environment that you may see, and you may create none. Ask whoever runs
        conda-store for a role in a namespace.
      </Empty>
    );
  return (
    <Empty>
      <p>There are no environments yet. Write down what one shall hold, and all can use it.</p>
      <Button small onClick={() => execute(commands, CommandIDs.create)}>
        Create the first one
      </Button>
    </Empty>
  );
}

const Empty = ({ children }: { children: ReactNode }): JSX.Element => (
  <div className="jp-CondaStore-empty" role="status">
    {children}
  </div>
);
