// Menus of rows: one that a button opens, and the same as a context menu.
import type { JupyterFrontEnd } from "@jupyterlab/application";
import { MenuSvg } from "@jupyterlab/ui-components";
import type { CommandRegistry } from "@lumino/commands";
import type { ReadonlyJSONObject } from "@lumino/coreutils";
import type { Menu } from "@lumino/widgets";
import { CommandIDs } from "../tokens";

interface Entry {
  command: string;
  args?: ReadonlyJSONObject;
}

const COPIES: Entry[] = ["tag", "digest"].flatMap((by) =>
  ["run", "pull"].map((how) => ({ command: CommandIDs.copyImage, args: { how, by } })),
);
const artifacts = (command: string): Entry[] =>
  ["lockfile", "yaml", "archive"].map((artifact) => ({ command, args: { artifact } }));
const DOWNLOADS = artifacts(CommandIDs.download);
const SAVES = artifacts(CommandIDs.saveToFolder);
const CHANGES: Entry[] = [
  { command: CommandIDs.compare },
  { command: CommandIDs.edit },
  { command: CommandIDs.rebuild },
  { command: CommandIDs.makeCurrent },
  { command: CommandIDs.cancel },
];
const USES: Entry[] = [{ command: CommandIDs.logOfRow }, { command: CommandIDs.pinRow }];

export type MenuKind = "environment" | "build" | "copy" | "download";

// Groups, with a line between them.
const MENUS: Record<MenuKind, Entry[][]> = {
  environment: [
    USES,
    COPIES,
    DOWNLOADS,
    SAVES,
    [...CHANGES, { command: CommandIDs.deleteEnvironment }],
  ],
  build: [USES, COPIES, DOWNLOADS, SAVES, CHANGES],
  copy: [COPIES],
  download: [DOWNLOADS, SAVES],
};

/** Open a menu below `button`; its commands are about `args`. */
export function openMenu(
  commands: CommandRegistry,
  button: HTMLElement,
  args: ReadonlyJSONObject,
  kind: MenuKind,
): void {
  const menu = new MenuSvg({ commands });
  for (const [index, group] of MENUS[kind].entries()) {
    if (index > 0) menu.addItem({ type: "separator" });
    for (const entry of group)
      if (commands.hasCommand(entry.command))
        menu.addItem({ command: entry.command, args: { ...args, ...entry.args } });
  }
  // The chosen command begins when the menu has closed; where it takes no focus, the button has it again.
  menu.aboutToClose.connect(() =>
    setTimeout(() => {
      menu.dispose();
      if (document.activeElement === document.body) button.focus();
    }),
  );
  const { left, bottom } = button.getBoundingClientRect();
  menu.open(left, bottom);
}

/** The same for a click with the other button; which row it was is found by its attributes. */
export function addContextMenus(app: Pick<JupyterFrontEnd, "contextMenu" | "commands">): void {
  addContextMenu(app, ".jp-CondaStore-environment > .jp-CondaStore-row", MENUS.environment);
  addContextMenu(app, ".jp-CondaStore-buildItem", MENUS.build);
}

function addContextMenu(
  app: Pick<JupyterFrontEnd, "contextMenu">,
  selector: string,
  groups: Entry[][],
): void {
  const add = (item: Menu.IItemOptions, rank: number): void => {
    app.contextMenu.addItem({ ...item, selector, rank });
  };
  for (const [index, group] of groups.entries()) {
    if (index > 0) add({ type: "separator" }, index * 100);
    for (const [place, entry] of group.entries()) add(entry, index * 100 + place + 1);
  }
}
