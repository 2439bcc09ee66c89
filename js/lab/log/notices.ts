// Says when a build ends that was started here, or that somebody looked at while it went on; a reload changes nothing.
import { Notification } from "@jupyterlab/apputils";
import type { IStateDB } from "@jupyterlab/statedb";
import { CondaStoreError } from "../api";
import { isRunning, key } from "../model";
import type { Build } from "../shapes";
import type { ICondaStore } from "../tokens";

const KEPT = "conda-store-watched:builds";

export class BuildNotices {
  private readonly watched = new Set<number>();
  private looking: Promise<void> | null = null;

  /** `show` opens a build; `isWanted` is the setting. */
  constructor(
    private readonly store: ICondaStore,
    private readonly database: IStateDB | null,
    private readonly show: (build: number) => void,
    private readonly isWanted: () => boolean,
  ) {
    store.api.started.connect((_, build) => this.watch(build));
    store.model.changed.connect(() => void this.look());
    void this.recall();
  }

  watch(build: number): void {
    if (this.watched.has(build)) return;
    this.watched.add(build);
    void this.keep();
  }

  /** See which of the builds have ended. */
  look(): Promise<void> {
    this.looking ??= this.ask().finally(() => (this.looking = null));
    return this.looking;
  }

  private async ask(): Promise<void> {
    const { connection, environments } = this.store.model;
    if (connection?.state !== "ok") return;
    const running = new Set(
      environments.filter((row) => isRunning(row.newest_status)).map((row) => row.newest_id),
    );
    for (const build of [...this.watched]) if (!running.has(build)) await this.askFor(build);
  }

  private async askFor(id: number): Promise<void> {
    try {
      const build = await this.store.api.data<Build>(`api/v1/build/${id}/`);
      if (isRunning(build.status)) return;
      this.tell(build);
    } catch (error) {
      // One that is gone, or was hidden, is nothing to wait for.
      if (!(error instanceof CondaStoreError) || error.isAway) return;
    }
    this.watched.delete(id);
    await this.keep();
  }

  private tell(build: Build): void {
    if (!this.isWanted()) return;
    const { environments } = this.store.model;
    const row = environments.find((one) => one.newest_id === build.id || one.build_id === build.id);
    const name = row ? key(row) : (build.specification?.name ?? "conda-store");
    const actions = [{ label: "Show Build", callback: () => this.show(build.id) }];
    if (build.status === "COMPLETED")
      Notification.success(`${name}: build ${build.id} is ready.`, { actions, autoClose: 10_000 });
    else if (build.status === "CANCELED")
      Notification.info(`${name}: build ${build.id} was canceled.`, { actions, autoClose: 10_000 });
    else Notification.error(`${name}: build ${build.id} failed.`, { actions, autoClose: false });
  }

  private async recall(): Promise<void> {
    const found = await this.database?.fetch(KEPT);
    for (const build of (found as number[] | undefined) ?? []) this.watched.add(build);
    await this.look();
  }

  private async keep(): Promise<void> {
    await this.database?.save(KEPT, [...this.watched]);
  }
}
