// A notebook that runs in one build whatever becomes of its environment.
import type { ISessionContext } from "@jupyterlab/apputils";
import type { NotebookPanel } from "@jupyterlab/notebook";
import type { CondaStoreApi } from "../api";
import { buildOf, followed, pinnedBuild, refreshUntil, type Specs } from "./names";

/** Where a notebook says which build it is pinned to. */
export const METADATA = "conda_store";

export class Pins {
  constructor(
    private readonly api: CondaStoreApi,
    private readonly specs: Specs,
    private readonly pause?: number,
  ) {}

  /** Hold on to a build; the name of its kernel, which JupyterLab knows then. */
  async hold(build: number): Promise<string> {
    const init = { method: "POST", body: JSON.stringify({ build }) };
    const { kernel_name } = await this.api.json<{ kernel_name: string }>("pins/", init);
    await this.wait(kernel_name);
    return kernel_name;
  }

  async pin(notebook: NotebookPanel, build: number): Promise<void> {
    const name = await this.hold(build);
    await notebook.sessionContext.changeKernel({ name });
    const { namespace, environment, digest } = buildOf(this.specs, name) ?? {};
    const kept = { namespace, environment, build, digest: digest ?? null };
    notebook.content.model?.setMetadata(METADATA, kept);
  }

  /** Run the notebook in the current build of its environment. */
  async unpin(notebook: NotebookPanel): Promise<void> {
    const name = followed(kernelOf(notebook.sessionContext));
    await this.wait(name);
    await notebook.sessionContext.changeKernel({ name });
    notebook.content.model?.deleteMetadata(METADATA);
  }

  /** Before a notebook starts a kernel that is pinned, see to it that there is one. */
  prepare(context: ISessionContext, failed: (error: unknown) => void): void {
    // JupyterLab asks nobody before it looks for a kernel, and takes another one when there is none of that name.
    const initialize = context.initialize.bind(context);
    context.initialize = async () => {
      const name = context.kernelPreference.name ?? "";
      const build = pinnedBuild(name);
      if (build && !this.specs.specs?.kernelspecs[name]) await this.hold(build).catch(failed);
      return initialize();
    };
  }

  private async wait(name: string): Promise<void> {
    const isThere = () => this.specs.specs?.kernelspecs[name] !== undefined;
    if (await refreshUntil(this.specs, isThere, this.pause)) return;
    throw new Error(`Jupyter does not offer the kernel ${name}: the build may hold none.`);
  }
}

export const kernelOf = (context: ISessionContext): string =>
  context.session?.kernel?.name ?? context.kernelPreference.name ?? "";
