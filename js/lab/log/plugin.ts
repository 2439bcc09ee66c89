// Builds in the main area, and word of how they end.
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import { ILayoutRestorer } from "@jupyterlab/application";
import { ICommandPalette, InputDialog } from "@jupyterlab/apputils";
import { INotebookTracker } from "@jupyterlab/notebook";
import { ISettingRegistry } from "@jupyterlab/settingregistry";
import { IStateDB } from "@jupyterlab/statedb";
import { condaStoreIcon } from "../icon";
import { kernelOf } from "../kernels/names";
import { CommandIDs, ICondaStore } from "../tokens";
import { BuildNotices } from "./notices";
import { BuildTabs } from "./tabs";

export const logPlugin: JupyterFrontEndPlugin<void> = {
  id: "conda-store:builds",
  description: "Builds with their logs, and word of how they end.",
  autoStart: true,
  requires: [ICondaStore],
  optional: [ILayoutRestorer, IStateDB, ISettingRegistry, ICommandPalette, INotebookTracker],
  activate: (
    app: JupyterFrontEnd,
    store: ICondaStore,
    restorer: ILayoutRestorer | null,
    database: IStateDB | null,
    settings: ISettingRegistry | null,
    palette: ICommandPalette | null,
    notebooks: INotebookTracker | null,
  ) => {
    let isWanted = true;
    void settings?.load("conda-store:plugin").then((found) => {
      const apply = () => void (isWanted = found.get("notify").composite as boolean);
      found.changed.connect(apply);
      apply();
    });
    const show = (build: number) => void app.commands.execute(CommandIDs.log, { build });
    const notices = new BuildNotices(store, database, show, () => isWanted);
    const means = {
      commands: app.commands,
      store,
      hasNotebook: () => Boolean(notebooks?.currentWidget),
      kernelOf: (build: number) => kernelOf(store.api, app.serviceManager.kernelspecs, build),
    };
    const tabs = new BuildTabs(app, means, (build) => notices.watch(build));
    addShow(app, tabs);
    if (restorer) tabs.restore(restorer);
    palette?.addItem({ command: CommandIDs.log, category: "conda-store", args: { ask: true } });
  },
};

function addShow(app: JupyterFrontEnd, tabs: BuildTabs): void {
  app.commands.addCommand(CommandIDs.log, {
    label: (args) => (args["ask"] ? "Show Build…" : "Show Build"),
    caption: "Status and log of a build",
    icon: condaStoreIcon,
    execute: async (args) => {
      if (!args["ask"]) return tabs.open(args);
      const asked = await InputDialog.getNumber({ title: "Show build", label: "Its number" });
      return asked.button.accept && asked.value ? tabs.open({ build: asked.value }) : undefined;
    },
  });
}
