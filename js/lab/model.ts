// What the panel shows: environments and the state of the connection, kept up to date; no widgets here.
import { Poll } from "@lumino/polling";
import { Signal, type ISignal } from "@lumino/signaling";
import { type CondaStoreApi, CondaStoreError } from "./api";
import type { ConnectionState, EnvironmentRow, Overview } from "./shapes";

export const key = (row: { namespace: string; name: string }): string =>
  `${row.namespace}/${row.name}`;

/** A build that came to an end since the last look. */
export interface Ended {
  environment: EnvironmentRow;
  build: number;
  status: EnvironmentRow["status"];
}

export class EnvironmentsModel {
  private overview: Overview = { environments: [], roles: {}, writable: [] };
  private state: ConnectionState | null = null;
  private poll: Poll;
  private readonly onChange = new Signal<this, void>(this);
  private readonly onEnd = new Signal<this, Ended>(this);

  /** Look at the server every `seconds`, at growing intervals while it is away, not while the page is hidden. */
  constructor(
    readonly api: CondaStoreApi,
    seconds = 5,
  ) {
    this.poll = new Poll({
      auto: false,
      factory: () => this.look(),
      frequency: { interval: seconds * 1000, backoff: true, max: 60_000 },
      name: "conda-store:environments",
      standby: "when-hidden",
    });
  }

  /** Environments or the connection are other than before. */
  get changed(): ISignal<this, void> {
    return this.onChange;
  }

  /** A build has ended. */
  get ended(): ISignal<this, Ended> {
    return this.onEnd;
  }

  get environments(): readonly EnvironmentRow[] {
    return this.overview.environments;
  }

  /** Namespaces in which one may create environments, one's own first. */
  get writable(): readonly string[] {
    return this.overview.writable;
  }

  /** Whether one may do what `permission` names, such as `environment::update`, with an environment. */
  may(permission: string, row: EnvironmentRow): boolean {
    return this.overview.roles[row.role]?.includes(permission) ?? false;
  }

  /** Null before the first answer. */
  get connection(): ConnectionState | null {
    return this.state;
  }

  start(): void {
    void this.poll.start();
  }

  setSeconds(seconds: number): void {
    this.poll.frequency = { ...this.poll.frequency, interval: seconds * 1000 };
  }

  /** Look now. */
  async refresh(): Promise<void> {
    await this.poll.refresh();
    await this.poll.tick;
  }

  dispose(): void {
    this.poll.dispose();
    Signal.clearData(this);
  }

  private async look(): Promise<void> {
    try {
      const found = await this.api.overview();
      if (this.state?.state !== "ok") this.state = await this.api.connection();
      else if (found === this.overview) return;
      const before = this.overview;
      this.overview = found;
      this.tell(before);
      this.onChange.emit();
    } catch (error) {
      this.state = await this.trouble(error);
      this.onChange.emit();
      throw error;
    }
  }

  /** Why environments cannot be listed, in words of the Jupyter server where it answers. */
  private async trouble(error: unknown): Promise<ConnectionState> {
    try {
      const state = await this.api.connection();
      if (state.state !== "ok") return state;
    } catch {
      // The Jupyter server itself is away.
    }
    const message = error instanceof CondaStoreError ? error.message : String(error);
    return { url: this.state?.url ?? "", state: "unreachable", message, user: null, version: null };
  }

  private tell(before: Overview): void {
    const running = new Map<string, number>();
    for (const row of before.environments)
      if (isRunning(row.newest_status)) running.set(key(row), row.newest_id);
    for (const row of this.overview.environments) {
      const build = running.get(key(row));
      if (build === undefined || (build === row.newest_id && isRunning(row.newest_status)))
        continue;
      const status = build === row.newest_id ? row.newest_status : row.status;
      this.onEnd.emit({ environment: row, build, status });
    }
  }
}

export const isRunning = (status: EnvironmentRow["status"]): boolean =>
  status === "QUEUED" || status === "BUILDING";
