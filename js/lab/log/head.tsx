import { UseSignal } from "@jupyterlab/apputils";
import type { JSX } from "react";
import type { BuildModel, Stage } from "./build";

/** Something to do with the build, such as cancel it. */
export interface Step {
  label: string;
  caption: string;
  /** The one that most people want. */
  isFirst?: boolean;
  run: () => void;
}

interface Props {
  build: BuildModel;
  title: string;
  /** What can be done now. */
  steps: () => Step[];
}

const OUTCOMES: Record<string, string> = {
  COMPLETED: "It is ready.",
  FAILED: "It failed.",
  CANCELED: "It was canceled.",
};

/** What became of a build so far, and what to do next. */
export function Head({ build, title, steps }: Props): JSX.Element {
  const draw = () => (
    <>
      <h1>
        {title} <small>build {build.id}</small>{" "}
        <span className="jp-CondaStore-status" data-status={build.status ?? ""}>
          {build.status ?? "…"}
        </span>
      </h1>
      <p role="status" className="jp-CondaStore-told">
        {OUTCOMES[build.status ?? ""] ?? ""}
      </p>
      {build.reason && <pre className="jp-CondaStore-reason">{build.reason}</pre>}
      {build.trouble && (
        <p className="jp-CondaStore-away" role="status">
          {build.trouble}
        </p>
      )}
      {build.running.map((stage) => (
        <StageRow key={stage.name} stage={stage} />
      ))}
      <div className="jp-CondaStore-buttons">
        {steps().map(({ label, caption, isFirst, run }) => (
          <button
            key={label}
            className={`jp-mod-styled ${isFirst ? "jp-mod-accept" : "jp-mod-reject"}`}
            title={caption}
            onClick={run}
          >
            {label}
          </button>
        ))}
      </div>
    </>
  );
  return <UseSignal signal={build.changed}>{draw}</UseSignal>;
}

function StageRow({ stage }: { stage: Stage }): JSX.Element {
  const { name, note, done, total } = stage;
  return (
    <div className="jp-CondaStore-stage">
      <span>{note ? `${name}: ${note}` : name}</span>
      <progress aria-label={name} max={total} value={total ? (done ?? 0) : undefined} />
    </div>
  );
}
