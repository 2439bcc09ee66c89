// Brings the kernels of JupyterLab up to date when environments have other current builds.
import type { EnvironmentsModel } from "../model";
import { buildOf, refreshUntil, type Specs } from "./names";

export class KernelRefresh {
  /** Current builds that are ready; null before the first answer. */
  private ready: Set<number> | null = null;

  constructor(
    private readonly model: EnvironmentsModel,
    private readonly specs: Specs,
    private readonly pause?: number,
  ) {
    model.changed.connect(() => this.look());
  }

  private look(): void {
    if (this.model.connection?.state !== "ok") return;
    const before = this.ready;
    const rows = this.model.environments.filter((row) => row.status === "COMPLETED");
    const now = (this.ready = new Set(rows.map((row) => row.build_id)));
    const fresh = [...now].filter((build) => !before?.has(build));
    const isGone = [...(before ?? [])].some((build) => !now.has(build));
    if (fresh.length || isGone) void this.refresh(fresh, before === null);
  }

  /** Not every environment holds a kernel: at first it is enough that there are any. */
  private async refresh(builds: number[], isFirst: boolean): Promise<void> {
    const isThere = (): boolean => {
      const names = Object.keys(this.specs.specs?.kernelspecs ?? {});
      const known = new Set(names.map((name) => buildOf(this.specs, name)?.build));
      return isFirst ? builds.some((one) => known.has(one)) : builds.every((one) => known.has(one));
    };
    try {
      await refreshUntil(this.specs, isThere, this.pause);
    } catch {
      // The Jupyter server is away: JupyterLab says so, and asks again by itself.
    }
  }
}
