import type { JSX } from "react";
import { usePanel } from "./surroundings";

const STATES = {
  ok: "Connected",
  unreachable: "Not reachable",
  refused: "Refused",
  unconfigured: "Not configured",
};

/** Where environments come from, and as whom one is known there. */
export function PanelFooter(): JSX.Element {
  const { connection } = usePanel().model;
  const state = connection ? STATES[connection.state] : "Connecting…";
  const who = connection?.state === "ok" && connection.user ? ` as ${connection.user}` : "";
  const url = connection?.url ?? "";
  const title = [`${state}${who}`, url && `to ${url}`, versionOf(connection?.version)]
    .filter(Boolean)
    .join(" ");
  return (
    <footer className="jp-CondaStore-footer" title={title}>
      <span
        className={`jp-CondaStore-dot jp-mod-${connection?.state ?? "connecting"}`}
        aria-hidden="true"
      />
      <span className="jp-CondaStore-footerState">
        {state}
        {who}
      </span>
      {url && (
        <a href={url} target="_blank" rel="noreferrer noopener">
          {url.replace(/^https?:\/\//, "")}
        </a>
      )}
    </footer>
  );
}

const versionOf = (version: string | null | undefined): string =>
  version ? `(conda-store ${version})` : "";
