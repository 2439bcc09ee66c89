// Commands of the panel: its buttons, its context menus and the palette have the same ones.
import type { JupyterFrontEnd } from "@jupyterlab/application";
import { showErrorMessage } from "@jupyterlab/apputils";
import type { FileBrowser } from "@jupyterlab/filebrowser";
import {
  copyIcon,
  deleteIcon,
  downloadIcon,
  editIcon,
  type LabIcon,
  refreshIcon,
  saveIcon,
  stopIcon,
} from "@jupyterlab/ui-components";
import type { CommandRegistry } from "@lumino/commands";
import type { ReadonlyPartialJSONObject } from "@lumino/coreutils";
import type { Widget } from "@lumino/widgets";
import type { EnvironmentsModel } from "../model";
import { CommandIDs } from "../tokens";
import { type Action, ACTIONS, type Surroundings } from "./actions";
import { type Target, Targets } from "./targets";

const ICONS: Record<string, LabIcon> = {
  [CommandIDs.copyImage]: copyIcon,
  [CommandIDs.download]: downloadIcon,
  [CommandIDs.saveToFolder]: saveIcon,
  [CommandIDs.edit]: editIcon,
  [CommandIDs.rebuild]: refreshIcon,
  [CommandIDs.cancel]: stopIcon,
  [CommandIDs.deleteBuild]: deleteIcon,
  [CommandIDs.deleteEnvironment]: deleteIcon,
};

/** Actions that another plugin does. */
const BORROWED: Record<string, string> = {
  [CommandIDs.logOfRow]: CommandIDs.log,
  [CommandIDs.pinRow]: CommandIDs.pin,
  [CommandIDs.edit]: CommandIDs.create,
};

/** Whether the reader may do it at all; where the environment is not known, the server says so. */
const allowed = (action: Action, target: Target | null, model: EnvironmentsModel): boolean =>
  target !== null && (!action.needs || !target.row || model.may(action.needs, target.row));

/** Add the commands that are about a build or an environment. */
export function addActions(
  app: Pick<JupyterFrontEnd, "commands" | "contextMenuHitTest" | "shell">,
  model: EnvironmentsModel,
  files: FileBrowser | null,
): void {
  const targets = new Targets(app, model);
  const show = (widget: Widget): void => {
    app.shell.add(widget, "main");
    app.shell.activateById(widget.id);
  };
  const around: Surroundings = { model, commands: app.commands, files, show };
  for (const [id, action] of Object.entries(ACTIONS))
    app.commands.addCommand(id, options(id, action, targets, around));
}

function options(
  id: string,
  action: Action,
  targets: Targets,
  around: Surroundings,
): CommandRegistry.ICommandOptions {
  const { model, commands } = around;
  const reason = (target: Target | null): string =>
    (target && action.unfit?.(target, commands)) || "";
  return {
    label: (args) => {
      const why = reason(targets.of(args));
      return action.label(args) + (why ? ` (${why})` : "");
    },
    icon: ICONS[id],
    isVisible: (args) =>
      commands.hasCommand(BORROWED[id] ?? id) && allowed(action, targets.of(args), model),
    isEnabled: (args) => {
      const target = targets.of(args);
      return allowed(action, target, model) && !reason(target);
    },
    execute: (args) => perform(action, targets.of(args), around, args),
  };
}

async function perform(
  action: Action,
  target: Target | null,
  around: Surroundings,
  args: ReadonlyPartialJSONObject,
): Promise<void> {
  if (!target) return;
  try {
    await action.run(target, around, args);
  } catch (error) {
    void showErrorMessage(`${action.label(args)} was not done`, error as Error);
  }
  // What the server made of it is told by the list alone.
  await around.model.refresh().catch(() => undefined);
}
