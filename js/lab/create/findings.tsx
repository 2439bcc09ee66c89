import { UseSignal } from "@jupyterlab/apputils";
import type { JSX } from "react";
import { inWords, type Problem } from "../../shared/problems";
import type { Outcome, SpecificationForm } from "./form";
import { Packages } from "./packages";

interface Props {
  form: SpecificationForm;
  /** Show a place of the file. */
  goTo: (line: number, column: number) => void;
  create: () => void;
}

/** Beside the editor: what can be done, what is wrong, and what became of it. */
export function Findings({ form, goTo, create }: Props): JSX.Element {
  const again = { solve: () => void form.solve(), create };
  const draw = () => (
    <>
      <Buttons form={form} create={create} />
      <div aria-live="polite">
        {form.away && !isToldBelow(form.outcome) && (
          <p className="jp-CondaStore-away">
            The file is not checked now: {form.away} What you write is kept.
          </p>
        )}
        <Problems problems={form.problems} goTo={goTo} />
      </div>
      <div aria-live="polite" className="jp-CondaStore-outcome">
        {form.isOld && ["solution", "refusal"].includes(form.outcome.kind) && (
          <p className="jp-CondaStore-quiet">Before your last changes:</p>
        )}
        <Shown outcome={form.outcome} again={again} goTo={goTo} />
      </div>
    </>
  );
  return <UseSignal signal={form.changed}>{draw}</UseSignal>;
}

/** Who tried in vain hears once that the server is away. */
const isToldBelow = (outcome: Outcome): boolean =>
  outcome.kind === "refusal" && outcome.again !== null;

function Buttons({ form, create }: Pick<Props, "form" | "create">): JSX.Element {
  const isIdle = !form.isWorking && form.values.text.trim() !== "";
  const isWrong = form.problems.some((one) => !one.is_warning);
  return (
    <div className="jp-CondaStore-buttons">
      <button
        className="jp-mod-styled jp-mod-accept"
        disabled={!isIdle || isWrong}
        title={isWrong ? "Something is wrong with the file: see below." : "Build this environment"}
        onClick={create}
      >
        Create
      </button>
      <button
        className="jp-mod-styled jp-mod-reject"
        disabled={!isIdle}
        title="Show what would be installed, and build nothing"
        onClick={() => void form.solve()}
      >
        Check
      </button>
    </div>
  );
}

interface ProblemsProps {
  problems: readonly Problem[];
  goTo: Props["goTo"];
}

function Problems({ problems, goTo }: ProblemsProps): JSX.Element | null {
  if (problems.length === 0) return null;
  return (
    <ul className="jp-CondaStore-problems" aria-label="Problems">
      {problems.map((one, index) => (
        <li key={index} className={one.is_warning ? "jp-mod-warning" : "jp-mod-error"}>
          <span className="jp-CondaStore-kind">{one.is_warning ? "Warning" : "Error"}</span>{" "}
          {one.line ? (
            <button onClick={() => goTo(one.line ?? 1, one.column ?? 1)}>{inWords(one)}</button>
          ) : (
            inWords(one)
          )}
        </li>
      ))}
    </ul>
  );
}

interface ShownProps {
  outcome: Outcome;
  again: Record<"solve" | "create", () => void>;
  goTo: Props["goTo"];
}

function Shown({ outcome, again, goTo }: ShownProps): JSX.Element | null {
  if (outcome.kind === "working") return <p role="status">{outcome.words}</p>;
  if (outcome.kind === "solution") return <Packages packages={outcome.packages} />;
  if (outcome.kind === "none")
    return (
      <p className="jp-CondaStore-quiet">
        What is wrong shows here as you write. Check shows what would be installed, and builds
        nothing.
      </p>
    );
  return (
    <div className="jp-CondaStore-refusal" role="alert">
      <p>{outcome.message}</p>
      <Problems problems={outcome.problems} goTo={goTo} />
      {outcome.again && (
        <button className="jp-mod-styled jp-mod-accept" onClick={again[outcome.again]}>
          Try again
        </button>
      )}
    </div>
  );
}
