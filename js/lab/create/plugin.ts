// Commands that open the editor of a new environment: empty, with a file, or with what a notebook imports.
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import { ILayoutRestorer } from "@jupyterlab/application";
import { ICommandPalette, showErrorMessage } from "@jupyterlab/apputils";
import { IEditorServices } from "@jupyterlab/codeeditor";
import { IFileBrowserFactory } from "@jupyterlab/filebrowser";
import { ILauncher } from "@jupyterlab/launcher";
import { INotebookTracker } from "@jupyterlab/notebook";
import { IStateDB } from "@jupyterlab/statedb";
import type { ReadonlyPartialJSONObject } from "@lumino/coreutils";
import { condaStoreIcon } from "../icon";
import { CommandIDs, ICondaStore } from "../tokens";
import { Drafts } from "./drafts";
import { draftOf, isSpecification } from "./file";
import { draftOfNotebook } from "./notebook";
import { CreateTabs } from "./tabs";

const CATEGORY = "conda-store";

export const createPlugin: JupyterFrontEndPlugin<void> = {
  id: "conda-store:create",
  description: "New environments: written, from a file, or from what a notebook imports.",
  autoStart: true,
  requires: [ICondaStore, IEditorServices],
  optional: [
    IStateDB,
    ILayoutRestorer,
    ICommandPalette,
    ILauncher,
    IFileBrowserFactory,
    INotebookTracker,
  ],
  activate: (
    app: JupyterFrontEnd,
    store: ICondaStore,
    services: IEditorServices,
    database: IStateDB | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    launcher: ILauncher | null,
    browsers: IFileBrowserFactory | null,
    notebooks: INotebookTracker | null,
  ) => {
    const tabs = new CreateTabs(app, store, services, new Drafts(database));
    addCreate(app, tabs);
    if (browsers) addFromFile(app, browsers);
    if (notebooks) addFromImports(app, store, notebooks);
    if (restorer) tabs.restore(restorer);
    palette?.addItem({ command: CommandIDs.create, category: CATEGORY });
    if (notebooks) palette?.addItem({ command: CommandIDs.createFromImports, category: CATEGORY });
    launcher?.add({ command: CommandIDs.create, category: "Other", rank: 50 });
  },
};

function addCreate(app: JupyterFrontEnd, tabs: CreateTabs): void {
  app.commands.addCommand(CommandIDs.create, {
    label: (args) => (args["isMenu"] ? "conda-store Environment" : "New conda-store Environment"),
    caption: "Write an environment, and build it with conda-store",
    icon: condaStoreIcon,
    execute: (args) => tabs.open(args),
  });
}

/** Run `make`, whose result the editor opens with; what goes wrong is shown. */
async function openWith(
  app: JupyterFrontEnd,
  make: () => Promise<ReadonlyPartialJSONObject>,
): Promise<unknown> {
  try {
    return await app.commands.execute(CommandIDs.create, await make());
  } catch (error) {
    return showErrorMessage("No environment can be made of it", error as Error);
  }
}

function addFromFile(app: JupyterFrontEnd, browsers: IFileBrowserFactory): void {
  const pathOf = (args: ReadonlyPartialJSONObject): string => {
    if (typeof args["path"] === "string") return args["path"];
    const chosen = [...(browsers.tracker.currentWidget?.selectedItems() ?? [])];
    return chosen.length === 1 && chosen[0]?.type !== "directory" ? (chosen[0]?.path ?? "") : "";
  };
  app.commands.addCommand(CommandIDs.createFromFile, {
    label: "Create conda-store Environment…",
    caption: "Build an environment of this file with conda-store",
    icon: condaStoreIcon,
    isVisible: (args) => isSpecification(pathOf(args)),
    execute: (args) => openWith(app, () => draftOf(app.serviceManager.contents, pathOf(args))),
  });
}

function addFromImports(
  app: JupyterFrontEnd,
  store: ICondaStore,
  notebooks: INotebookTracker,
): void {
  const isEnabled = () => notebooks.currentWidget !== null;
  app.commands.addCommand(CommandIDs.createFromImports, {
    label: (args) => (args["toolbar"] ? "" : "New Environment from This Kernel's Imports…"),
    caption: "New conda-store environment with the packages that this notebook imports",
    icon: condaStoreIcon,
    isEnabled,
    execute: () => {
      const notebook = notebooks.currentWidget;
      return notebook && openWith(app, () => draftOfNotebook(store.api, notebook));
    },
  });
  notebooks.currentChanged.connect(() =>
    app.commands.notifyCommandChanged(CommandIDs.createFromImports),
  );
}
