// What can be done with a build or an environment: who may, when it makes sense, and what it does.
import { Notification } from "@jupyterlab/apputils";
import type { FileBrowser } from "@jupyterlab/filebrowser";
import type { CommandRegistry } from "@lumino/commands";
import type { ReadonlyPartialJSONObject } from "@lumino/coreutils";
import type { Widget } from "@lumino/widgets";
import { type EnvironmentsModel, isRunning, key } from "../model";
import { CommandIDs } from "../tokens";
import { confirmed } from "./confirmation";
import { differenceWidget } from "./difference";
import { type Artifact, ARTIFACTS, download, saveToFolder, showing, told } from "./downloads";
import { command, copy } from "./images";
import { image } from "./requests";
import type { Target } from "./targets";

/** What actions work with. */
export interface Surroundings {
  model: EnvironmentsModel;
  commands: CommandRegistry;
  /** Null in an application without a file browser. */
  files: FileBrowser | null;
  /** Put a widget into the main area. */
  show: (widget: Widget) => void;
}

export interface Action {
  label: (args: ReadonlyPartialJSONObject) => string;
  /** The permission without which it is not shown. */
  needs?: string;
  /** Why it makes no sense now; "" when it does. */
  unfit?: (target: Target, commands: CommandRegistry) => string;
  run: (target: Target, around: Surroundings, args: ReadonlyPartialJSONObject) => unknown;
}

const isCurrent = (target: Target): boolean => target.row?.build_id === target.build;
const unfinished = ({ status, build, row }: Target): string => {
  if (row?.deleted_on && build === row.build_id) return "deleted";
  return status !== null && status !== "COMPLETED" ? "not built" : "";
};
/** An environment's newest build where that is running, else the build that is meant. */
const live = ({ row, build, status, isWhole }: Target): { build: number; isRunning: boolean } =>
  row && isWhole && isRunning(row.newest_status)
    ? { build: row.newest_id, isRunning: true }
    : { build, isRunning: status !== null && isRunning(status) };
const named = (target: Target): string => (target.row ? target.row.name : `build-${target.build}`);
const artifactOf = (args: ReadonlyPartialJSONObject): Artifact =>
  (args["artifact"] as Artifact | undefined) ?? "lockfile";

const copyImage: Action = {
  label: (args) => {
    const by = args["by"] === "digest" ? " by Digest" : "";
    return `Copy docker ${args["how"] === "run" ? "run" : "pull"}${by}`;
  },
  unfit: unfinished,
  run: async (target, { model }, args) => {
    const found = await image(model.api, target.build);
    const text = command(found, args["how"] === "run" ? "run" : "pull", args["by"] === "digest");
    if (!text)
      return Notification.warning(
        "The image has no digest yet: it is made when it is first pulled. Copy the command with a tag.",
      );
    await copy(text);
    return Notification.success(`Copied: ${text}`, { autoClose: 3000 });
  },
};

const downloading: Action = {
  label: (args) => `Download ${ARTIFACTS[artifactOf(args)].label}`,
  unfit: unfinished,
  run: (target, { model }, args) => {
    const { label } = ARTIFACTS[artifactOf(args)];
    const work = download(model.api, named(target), target.build, artifactOf(args));
    const message = `${label} of build ${target.build}: your browser has it now.`;
    return told(
      `${label} of build ${target.build} is on its way…`,
      work.then(() => ({ message })),
    );
  },
};

const saving: Action = {
  label: (args) => `Save ${ARTIFACTS[artifactOf(args)].label} Here`,
  unfit: unfinished,
  run: (target, { model, commands, files }, args) => {
    if (!files) throw new Error("There is no file browser to save to: download it instead.");
    const { label } = ARTIFACTS[artifactOf(args)];
    const work = saveToFolder(model.api, files, named(target), target.build, artifactOf(args));
    const done = work.then((path) => ({
      message: `Saved as ${path}`,
      actions: [showing(commands, path)],
    }));
    return told(`${label} of build ${target.build} is on its way…`, done);
  },
};

const makeCurrent: Action = {
  label: () => "Make Current",
  needs: "environment::update",
  unfit: (target) => (isCurrent(target) ? "it is" : unfinished(target)),
  run: ({ row, build }, { model }) => {
    if (!row) throw new Error(`It is not known which environment build ${build} belongs to.`);
    return model.api.send("PUT", pathOf(row), { build_id: build });
  },
};

const rebuild: Action = {
  label: () => "Rebuild",
  needs: "environment::update",
  unfit: (target) => (live(target).isRunning ? "it is being built" : ""),
  run: async ({ build }, { model, commands }) => {
    const path = `api/v1/build/${build}/`;
    const made = await model.api.send<{ build_id: number }>("PUT", path);
    const show = (): void => void commands.execute(CommandIDs.log, { build: made.build_id });
    const actions = commands.hasCommand(CommandIDs.log)
      ? [{ label: "Show Log", callback: show }]
      : [];
    Notification.info(`Build ${made.build_id} is queued.`, { autoClose: 5000, actions });
  },
};

const edit: Action = {
  label: () => "Edit…",
  needs: "environment::update",
  run: async ({ row, build }, { model, commands }) => {
    const text = await (await model.api.fetch(`api/v1/build/${build}/yaml/`)).text();
    const { namespace = "", name = "", description = "" } = row ?? {};
    await commands.execute(CommandIDs.create, { text, namespace, name, description });
  },
};

const cancel: Action = {
  label: () => "Cancel Build",
  needs: "build::cancel",
  unfit: (target) => (live(target).isRunning ? "" : "it has ended"),
  run: (target, { model }) => model.api.send("PUT", `api/v1/build/${live(target).build}/cancel/`),
};

const showLog: Action = {
  label: () => "Show Log",
  run: (target, { commands }) => {
    const { build } = live(target);
    // The tab says the number itself.
    const title = target.row ? { title: key(target.row) } : {};
    return commands.execute(CommandIDs.log, { build, ...title });
  },
};

const pin: Action = {
  label: () => "Run Notebook in This Build",
  unfit: (target, commands) => {
    const isOpen = commands.isEnabled(CommandIDs.pin, { build: target.build });
    return unfinished(target) || (isOpen ? "" : "open a notebook first");
  },
  run: ({ build }, { commands }) => commands.execute(CommandIDs.pin, { build }),
};

const compare: Action = {
  label: () => "Compare Builds",
  run: (target, { model, show }) => show(differenceWidget(model.api, target)),
};

const deleteBuild: Action = {
  label: (args) => (args["build"] ? `Delete Build ${Number(args["build"])}…` : "Delete Build…"),
  needs: "build::delete",
  unfit: (target) => (live(target).isRunning ? "cancel it first" : ""),
  run: async ({ build }, { model }) => {
    const what = "Its files and its image will be gone for everybody who uses them.";
    if (await confirmed(`Delete build ${build}?`, what, String(build)))
      await model.api.send("DELETE", `api/v1/build/${build}/`);
  },
};

const deleteEnvironment: Action = {
  label: () => "Delete Environment…",
  needs: "environment::delete",
  run: async ({ row }, { model }) => {
    if (!row) throw new Error("This environment is not in the list any more.");
    const what = `${key(row)}, all its builds and images will be gone for everybody.`;
    if (await confirmed("Delete this environment?", what, row.name))
      await model.api.send("DELETE", pathOf(row));
  },
};

const pathOf = ({ namespace, name }: { namespace: string; name: string }): string =>
  `api/v1/environment/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}/`;

/** By the id of their commands. */
export const ACTIONS: Record<string, Action> = {
  [CommandIDs.logOfRow]: showLog,
  [CommandIDs.pinRow]: pin,
  [CommandIDs.compare]: compare,
  [CommandIDs.copyImage]: copyImage,
  [CommandIDs.download]: downloading,
  [CommandIDs.saveToFolder]: saving,
  [CommandIDs.edit]: edit,
  [CommandIDs.makeCurrent]: makeCurrent,
  [CommandIDs.rebuild]: rebuild,
  [CommandIDs.cancel]: cancel,
  [CommandIDs.deleteBuild]: deleteBuild,
  [CommandIDs.deleteEnvironment]: deleteEnvironment,
};
