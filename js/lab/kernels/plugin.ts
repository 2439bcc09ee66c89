// Environments as kernels: new ones show up by themselves, and notebooks are pinned to builds.
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import { ICommandPalette, Notification, showErrorMessage } from "@jupyterlab/apputils";
import { INotebookTracker, type NotebookPanel } from "@jupyterlab/notebook";
import { CommandIDs, ICondaStore } from "../tokens";
import { buildOf, pinnedBuild } from "./names";
import { kernelOf, Pins } from "./pin";
import { KernelRefresh } from "./refresh";

export const kernelsPlugin: JupyterFrontEndPlugin<void> = {
  id: "conda-store:kernels",
  description: "Environments as kernels, and notebooks that are pinned to builds.",
  autoStart: true,
  requires: [ICondaStore],
  optional: [INotebookTracker, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    store: ICondaStore,
    notebooks: INotebookTracker | null,
    palette: ICommandPalette | null,
  ) => {
    const specs = app.serviceManager.kernelspecs;
    new KernelRefresh(store.model, specs);
    if (!notebooks) return;
    const pins = new Pins(store.api, specs);
    const failed = (error: unknown) =>
      void Notification.error(`The pinned build cannot be had: ${(error as Error).message}`);
    notebooks.widgetAdded.connect((_, { sessionContext }) => pins.prepare(sessionContext, failed));
    addPinning(app, notebooks, pins);
    palette?.addItem({ command: CommandIDs.pin, category: "conda-store" });
    palette?.addItem({ command: CommandIDs.unpin, category: "conda-store" });
  },
};

function addPinning(app: JupyterFrontEnd, notebooks: INotebookTracker, pins: Pins): void {
  const { commands, serviceManager } = app;
  const current = () => notebooks.currentWidget;
  const nameOf = (notebook: NotebookPanel | null) =>
    notebook ? kernelOf(notebook.sessionContext) : "";
  /** Without an argument, the build that the notebook runs in now. */
  const buildFor = (build: unknown) =>
    Number(build ?? buildOf(serviceManager.kernelspecs, nameOf(current()))?.build ?? 0);
  commands.addCommand(CommandIDs.pin, {
    label: (args) =>
      args["build"] ? "Use This Build in Current Notebook" : "Pin Notebook to Its Build",
    caption: "The notebook keeps running in this build, whatever becomes of the environment",
    isEnabled: (args) => current() !== null && buildFor(args["build"]) > 0,
    execute: ({ build }) =>
      run("The notebook was not pinned", (it) => pins.pin(it, buildFor(build))),
  });
  commands.addCommand(CommandIDs.unpin, {
    label: "Unpin Notebook from Its Build",
    caption: "Run the notebook in the current build of its environment again",
    isEnabled: () => pinnedBuild(nameOf(current())) > 0,
    execute: () => run("The notebook was not unpinned", (it) => pins.unpin(it)),
  });

  async function run(title: string, act: (it: NotebookPanel) => Promise<void>): Promise<void> {
    const notebook = current();
    try {
      if (notebook) await act(notebook);
    } catch (error) {
      await showErrorMessage(title, error as Error);
    }
  }
}
