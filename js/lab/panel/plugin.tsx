// The side panel.
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import { ILayoutRestorer } from "@jupyterlab/application";
import { ICommandPalette, ReactWidget } from "@jupyterlab/apputils";
import { IDefaultFileBrowser } from "@jupyterlab/filebrowser";
import { IStateDB } from "@jupyterlab/statedb";
import { refreshIcon } from "@jupyterlab/ui-components";
import { condaStoreIcon } from "../icon";
import { CommandIDs, ICondaStore } from "../tokens";
import { addActions } from "./commands";
import { addContextMenus } from "./menus";
import { EnvironmentsPanel } from "./panel";
import { PanelView } from "./view";

const ID = "conda-store-panel";

export const panelPlugin: JupyterFrontEndPlugin<void> = {
  id: "conda-store:panel",
  description: "Side panel with the environments of conda-store.",
  autoStart: true,
  requires: [ICondaStore],
  optional: [ICommandPalette, ILayoutRestorer, IDefaultFileBrowser, IStateDB],
  activate: (
    app: JupyterFrontEnd,
    store: ICondaStore,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null,
    files: IDefaultFileBrowser | null,
    state: IStateDB | null,
  ) => {
    addActions(app, store.model, files);
    addContextMenus(app);
    addGeneral(app, store, palette);
    const panel = panelWidget(app, store, state);
    app.shell.add(panel, "left", { rank: 550, type: "conda-store" });
    restorer?.add(panel, ID);
  },
};

function panelWidget(
  app: JupyterFrontEnd,
  store: ICondaStore,
  state: IStateDB | null,
): ReactWidget {
  const { model } = store;
  const view = new PanelView(model, state);
  void view.restore();
  const panel = ReactWidget.create(
    <EnvironmentsPanel model={model} view={view} commands={app.commands} />,
  );
  panel.id = ID;
  panel.addClass("jp-CondaStore-panel");
  panel.node.setAttribute("role", "region");
  panel.node.setAttribute("aria-label", "conda-store environments");
  panel.title.icon = condaStoreIcon;
  panel.title.caption = "conda-store environments";
  return panel;
}

/** Commands about no environment in particular. */
function addGeneral(
  app: JupyterFrontEnd,
  { model }: ICondaStore,
  palette: ICommandPalette | null,
): void {
  app.commands.addCommand(CommandIDs.show, {
    label: "Show Environments",
    icon: condaStoreIcon,
    execute: () => app.shell.activateById(ID),
  });
  app.commands.addCommand(CommandIDs.refresh, {
    label: "Refresh Environments",
    icon: refreshIcon,
    // What goes wrong stands in the panel.
    execute: () => model.refresh().catch(() => undefined),
  });
  for (const command of [CommandIDs.show, CommandIDs.refresh])
    palette?.addItem({ command, category: "conda-store" });
}
