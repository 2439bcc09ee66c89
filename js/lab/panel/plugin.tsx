// The side panel.
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import { ILayoutRestorer } from "@jupyterlab/application";
import { ICommandPalette, ReactWidget } from "@jupyterlab/apputils";
import { condaStoreIcon } from "../icon";
import { CommandIDs, ICondaStore } from "../tokens";
import { EnvironmentsPanel } from "./panel";

const ID = "conda-store-panel";

export const panelPlugin: JupyterFrontEndPlugin<void> = {
  id: "conda-store:panel",
  description: "Side panel with the environments of conda-store.",
  autoStart: true,
  requires: [ICondaStore],
  optional: [ICommandPalette, ILayoutRestorer],
  activate: (
    app: JupyterFrontEnd,
    store: ICondaStore,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null,
  ) => {
    const panel = ReactWidget.create(<EnvironmentsPanel model={store.model} />);
    panel.id = ID;
    panel.addClass("jp-CondaStore-panel");
    panel.title.icon = condaStoreIcon;
    panel.title.caption = "conda-store environments";
    app.shell.add(panel, "left", { rank: 550, type: "conda-store" });
    restorer?.add(panel, ID);
    app.commands.addCommand(CommandIDs.show, {
      label: "Show Environments",
      icon: condaStoreIcon,
      execute: () => app.shell.activateById(ID),
    });
    palette?.addItem({ command: CommandIDs.show, category: "conda-store" });
  },
};
