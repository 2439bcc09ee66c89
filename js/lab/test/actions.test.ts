import { Notification } from "@jupyterlab/apputils";
import type { FileBrowser } from "@jupyterlab/filebrowser";
import { CommandRegistry } from "@lumino/commands";
import type { ReadonlyPartialJSONObject } from "@lumino/coreutils";
import type { Widget } from "@lumino/widgets";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { EnvironmentsModel } from "../model";
import { addActions } from "../panel/commands";
import type { EnvironmentRow } from "../shapes";
import { CommandIDs } from "../tokens";
import { FakeServer, refused, row } from "./fake";

const ROLES = {
  viewer: ["environment::read"],
  developer: ["build::cancel", "environment::read", "environment::update"],
  admin: ["build::cancel", "build::delete", "environment::delete", "environment::update"],
};
const COURSE = { namespace: "data", name: "course" };

let server: FakeServer;
let model: EnvironmentsModel;
let commands: CommandRegistry;
let shown: Widget[];
let menuNode: HTMLElement | undefined;
const folder = { path: "work", refresh: vi.fn(() => Promise.resolve()) };

async function started(...environments: EnvironmentRow[]): Promise<void> {
  server.overview({ environments, roles: ROLES });
  await model.refresh();
}

beforeEach(() => {
  server = new FakeServer();
  model = new EnvironmentsModel(server.api, 1000);
  commands = new CommandRegistry();
  shown = [];
  menuNode = undefined;
  const contents = { localPath: (path: string) => path };
  const files = { model: { ...folder, manager: { services: { contents } } } };
  const shell = { add: (widget: Widget) => shown.push(widget), activateById: () => undefined };
  addActions(
    { commands, shell, contextMenuHitTest: () => menuNode } as never,
    model,
    files as unknown as FileBrowser,
  );
});
afterEach(() => {
  model.dispose();
  Notification.dismiss();
  for (const dialog of document.querySelectorAll(".jp-Dialog")) dialog.remove();
});

const execute = (id: string, args: ReadonlyPartialJSONObject): Promise<unknown> =>
  commands.execute(id, args);
const messages = (): string[] => Notification.manager.notifications.map((one) => one.message);
const visible = (args: ReadonlyPartialJSONObject): string[] =>
  [
    CommandIDs.copyImage,
    CommandIDs.rebuild,
    CommandIDs.makeCurrent,
    CommandIDs.cancel,
    CommandIDs.deleteBuild,
    CommandIDs.deleteEnvironment,
  ].filter((id) => commands.isVisible(id, args));

test("what one's role does not allow is absent", async () => {
  await started(
    row({ name: "seen" }),
    row({ name: "worked", role: "developer" }),
    row({ name: "owned", role: "admin" }),
  );
  const { copyImage, rebuild, makeCurrent, cancel, deleteBuild, deleteEnvironment } = CommandIDs;
  const works = [copyImage, rebuild, makeCurrent, cancel];
  expect(visible({ namespace: "data", name: "seen" })).toEqual([copyImage]);
  expect(visible({ namespace: "data", name: "worked" })).toEqual(works);
  expect(visible({ namespace: "data", name: "owned" })).toEqual([
    ...works,
    deleteBuild,
    deleteEnvironment,
  ]);
  expect(visible({ namespace: "data", name: "gone" })).toEqual([]);
});

test("what makes no sense now is disabled, with the reason", async () => {
  await started(row({ role: "admin", newest_id: 2, newest_status: "BUILDING" }));
  const told = (id: string, more = {}): string =>
    commands.isEnabled(id, { ...COURSE, ...more })
      ? ""
      : commands.label(id, { ...COURSE, ...more });
  expect(told(CommandIDs.makeCurrent)).toBe("Make Current (it is)");
  expect(told(CommandIDs.makeCurrent, { build: 2 })).toBe("Make Current (not built)");
  expect(told(CommandIDs.deleteBuild, { build: 2 })).toBe("Delete Build 2… (cancel it first)");
  expect(told(CommandIDs.cancel, { build: 1 })).toBe("Cancel Build (it has ended)");
  expect(told(CommandIDs.cancel)).toBe("");
});

test("a context menu is about the row that it was opened on", async () => {
  await started(row({ role: "developer" }));
  server.on("PUT api/v1/build/7/", () => ({ build_id: 9 }));
  menuNode = document.createElement("div");
  Object.assign(menuNode.dataset, { ...COURSE, build: "7", status: "FAILED" });
  await execute(CommandIDs.rebuild, {});
  expect(server.calls("PUT api/v1/build/7/")).toHaveLength(1);
  expect(messages()).toEqual(["Build 9 is queued."]);
});

test("making a build current names it, and the list is asked for again", async () => {
  await started(row({ role: "developer", name: "a b" }));
  server.on("PUT api/v1/environment/data/a%20b/", () => null);
  const before = server.calls("GET api/v1/overview/").length;
  const args = { namespace: "data", name: "a b", build: 3, status: "COMPLETED" };
  await execute(CommandIDs.makeCurrent, args);
  expect(server.calls("PUT api/v1/environment/data/a%20b/")[0]?.body).toEqual({ build_id: 3 });
  expect(server.calls("GET api/v1/overview/").length).toBe(before + 1);
});

test("canceling an environment cancels the build that runs, not the current one", async () => {
  await started(row({ role: "developer", newest_id: 2, newest_status: "QUEUED" }));
  server.on("PUT api/v1/build/2/cancel/", () => null);
  await execute(CommandIDs.cancel, COURSE);
  expect(server.calls("PUT api/v1/build/2/cancel/")).toHaveLength(1);
});

test("editing opens the editor with the specification of the build", async () => {
  await started(row({ role: "developer", description: "For all." }));
  server.on("GET api/v1/build/1/yaml/", () => new Response("name: course\n"));
  expect(commands.isVisible(CommandIDs.edit, COURSE)).toBe(false);
  const create = vi.fn();
  commands.addCommand(CommandIDs.create, { execute: create });
  expect(commands.isVisible(CommandIDs.edit, COURSE)).toBe(true);
  await execute(CommandIDs.edit, COURSE);
  expect(create).toHaveBeenCalledWith({
    ...COURSE,
    description: "For all.",
    text: "name: course\n",
  });
});

test("a notebook runs in a build when one is open, and else the menu says so", async () => {
  await started(row());
  let isOpen = false;
  const pinned = vi.fn();
  commands.addCommand(CommandIDs.pin, { execute: pinned, isEnabled: () => isOpen });
  const label = (): string => commands.label(CommandIDs.pinRow, COURSE);
  expect(label()).toBe("Run Notebook in This Build (open a notebook first)");
  isOpen = true;
  expect(label()).toBe("Run Notebook in This Build");
  await execute(CommandIDs.pinRow, COURSE);
  expect(pinned).toHaveBeenCalledWith({ build: 1 });
});

test("the clipboard gets docker's command with the server's own reference", async () => {
  await started(row());
  const image = { image: "store:1/data/course:ab", digest: "sha256:12", tags: ["ab"] };
  server.on("GET api/v1/build/1/docker/", () => image);
  const writeText = vi.fn((text: string) => Promise.resolve(void text));
  Object.defineProperty(navigator, "clipboard", { value: { writeText }, configurable: true });
  await execute(CommandIDs.copyImage, { ...COURSE, how: "run", by: "tag" });
  await execute(CommandIDs.copyImage, { ...COURSE, how: "pull", by: "digest" });
  expect(writeText.mock.calls.flat()).toEqual([
    "docker run -it --rm store:1/data/course:ab",
    "docker pull store:1/data/course@sha256:12",
  ]);
});

test("a download begins when there is something to download, and a refusal is told", async () => {
  await started(row());
  const clicked: string[] = [];
  const click = vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(function (
    this: HTMLAnchorElement,
  ) {
    clicked.push(`${this.href} ${this.download}`);
  });
  server.on("HEAD api/v1/build/1/archive/", () => new Response(null));
  await execute(CommandIDs.download, { ...COURSE, artifact: "archive" });
  server.on("HEAD api/v1/build/1/conda-lock.yml", () => new Response(null, { status: 503 }));
  server.on("GET api/v1/build/1/conda-lock.yml", () => refused(503, "It is still being made."));
  await execute(CommandIDs.download, { ...COURSE, artifact: "lockfile" });
  click.mockRestore();
  expect(clicked).toEqual(["http://jupyter/conda-store/api/v1/build/1/archive/ course-1.tar.gz"]);
  expect(messages()).toContain("It is still being made.");
});

test("a file is saved into the folder that the file browser shows, which is looked at again", async () => {
  await started(row());
  server.on("POST save/", () => Response.json({ path: "work/course-1.yaml", size: 3 }));
  await execute(CommandIDs.saveToFolder, { ...COURSE, artifact: "yaml" });
  expect(server.calls("POST save/")[0]?.body).toEqual({
    path: "api/v1/build/1/yaml/",
    directory: "work",
    name: "course-1.yaml",
  });
  expect(folder.refresh).toHaveBeenCalled();
  expect(messages()).toEqual(["Saved as work/course-1.yaml"]);
});

/** The dialog's field and its button that accepts. */
async function dialog(): Promise<{ field: HTMLInputElement; accept: HTMLButtonElement }> {
  return vi.waitFor(() => {
    const field = document.querySelector<HTMLInputElement>(".jp-Dialog input");
    const accept = document.querySelector<HTMLButtonElement>(".jp-Dialog .jp-mod-accept");
    if (!field || !accept) throw new Error("There is no dialog yet.");
    return { field, accept };
  });
}

const type = (field: HTMLInputElement, text: string): void => {
  field.value = text;
  field.dispatchEvent(new Event("input", { bubbles: true }));
};

test("an environment is deleted when its name was typed, and not before", async () => {
  await started(row({ role: "admin", name: "a.b" }));
  server.on("DELETE api/v1/environment/data/a.b/", () => null);
  const done = execute(CommandIDs.deleteEnvironment, { namespace: "data", name: "a.b" });
  const { field, accept } = await dialog();
  type(field, "acb");
  expect(accept.disabled).toBe(true);
  type(field, "a.b");
  expect(accept.disabled).toBe(false);
  accept.click();
  await done;
  expect(server.calls("DELETE api/v1/environment/data/a.b/")).toHaveLength(1);
});

test("a refusal is shown as the server says it", async () => {
  await started(row({ role: "developer" }));
  server.on("PUT api/v1/build/1/", () => refused(403, "The quota of 'data' is used up."));
  await execute(CommandIDs.rebuild, COURSE);
  const said = await vi.waitFor(() => {
    const node = document.querySelector(".jp-Dialog-body");
    if (!node) throw new Error("There is no dialog yet.");
    return node.textContent;
  });
  expect(said).toContain("The quota of 'data' is used up.");
});

test("comparing opens a tab in the main area", async () => {
  await started(row());
  await execute(CommandIDs.compare, { ...COURSE, build: 3, status: "COMPLETED" });
  expect(shown.map((widget) => widget.title.label)).toEqual(["course: builds compared"]);
});
