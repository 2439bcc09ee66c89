// A new environment before it is sent: what was typed, what the server says of it; no widgets here.
import { Debouncer } from "@lumino/polling";
import { Signal, type ISignal } from "@lumino/signaling";
import { allOf, type Checked, type Problem } from "../../shared/problems";
import { type CondaStoreApi, CondaStoreError } from "../api";
import type { NewSpecification } from "../shapes";
import { type Draft, EMPTY } from "./drafts";

export interface SolvedPackage {
  name: string;
  version: string;
  build: string;
  size: number;
}

/** What became of *Check* or *Create*. */
export type Outcome =
  | { kind: "none" }
  | { kind: "working"; words: string }
  | { kind: "solution"; packages: SolvedPackage[] }
  | { kind: "refusal"; message: string; problems: Problem[]; again: "solve" | "create" | null };

/** What started a build, and what its author should hear nevertheless. */
export interface Started {
  build_id: number;
  warnings?: Problem[];
}

const AGAIN_SECONDS = 5;

export class SpecificationForm {
  problems: readonly Problem[] = [];
  /** What the environment is called by its file. */
  nameInFile = "";
  /** Why the file is not being checked; "" when it is. */
  away = "";
  outcome: Outcome = { kind: "none" };
  /** The text has changed since the outcome. */
  isOld = false;
  isDisposed = false;
  private draft: Draft;
  private round = 0;
  private timer = 0;
  private readonly checks: Debouncer;
  private readonly onChange = new Signal<this, void>(this);

  constructor(
    readonly api: CondaStoreApi,
    draft: Partial<Draft> = {},
    delay = 300,
  ) {
    this.draft = { ...EMPTY, ...draft };
    this.checks = new Debouncer(() => this.check(), delay);
    void this.checks.invoke();
  }

  get changed(): ISignal<this, void> {
    return this.onChange;
  }

  get values(): Readonly<Draft> {
    return this.draft;
  }

  get isWorking(): boolean {
    return this.outcome.kind === "working";
  }

  set(part: Partial<Draft>): void {
    this.draft = { ...this.draft, ...part };
    this.isOld = true;
    void this.checks.invoke();
    this.onChange.emit();
  }

  /** Say what would be installed, or why nothing would. */
  async solve(): Promise<void> {
    await this.work("Solving…", "solve", async () => {
      const found = allOf(await this.send<Checked>("specification/check/"));
      this.problems = found;
      const problems = found.filter((one) => !one.is_warning);
      if (problems.length) {
        const message = "Nothing can be solved before the problems are gone.";
        this.outcome = { kind: "refusal", message, problems: [], again: null };
        return;
      }
      const { solve } = await this.send<{ solve: SolvedPackage[] }>("specification/solve/");
      this.outcome = { kind: "solution", packages: solve };
    });
  }

  /** Start the build. Null when it was not started: the outcome says why. */
  async create(): Promise<Started | null> {
    let started: Started | null = null;
    await this.work("Starting the build…", "create", async () => {
      started = await this.send<Started>("specification/");
      this.outcome = { kind: "none" };
    });
    return started;
  }

  dispose(): void {
    if (this.isDisposed) return;
    this.isDisposed = true;
    window.clearTimeout(this.timer);
    this.checks.dispose();
    Signal.clearData(this);
  }

  private async work(
    words: string,
    again: "solve" | "create",
    act: () => Promise<void>,
  ): Promise<void> {
    if (this.isWorking) return;
    this.outcome = { kind: "working", words };
    this.isOld = false;
    this.onChange.emit();
    try {
      await act();
    } catch (error) {
      this.outcome = refusal(error, again);
    }
    this.onChange.emit();
  }

  private async check(): Promise<void> {
    window.clearTimeout(this.timer);
    const round = ++this.round;
    try {
      const isEmpty = this.draft.text.trim() === "";
      const found = isEmpty ? null : await this.send<Checked>("specification/check/");
      if (round !== this.round) return;
      this.problems = found ? allOf(found) : [];
      this.nameInFile = found?.name ?? "";
      this.away = "";
    } catch (error) {
      if (round !== this.round || this.isDisposed) return;
      this.away = error instanceof Error ? error.message : String(error);
      const isAway = error instanceof CondaStoreError && error.isAway;
      const again = () => void this.check();
      if (isAway) this.timer = window.setTimeout(again, AGAIN_SECONDS * 1000);
    }
    this.onChange.emit();
  }

  private send<T>(path: string): Promise<T> {
    const { text, namespace, name, description } = this.draft;
    const body: NewSpecification = { specification: text };
    if (namespace) body.namespace = namespace;
    if (name.trim()) body.environment_name = name.trim();
    if (description.trim()) body.environment_description = description.trim();
    return this.api.send("POST", `api/v1/${path}`, body);
  }
}

function refusal(error: unknown, again: "solve" | "create"): Outcome {
  if (!(error instanceof CondaStoreError))
    return { kind: "refusal", message: String(error), problems: [], again: null };
  const { message, problems, isAway } = error;
  const kept = isAway ? `${message} What you wrote is kept.` : message;
  return { kind: "refusal", message: kept, problems, again: isAway ? again : null };
}
