import {
  CodeMirrorEditorFactory,
  CodeMirrorMimeTypeService,
  EditorLanguageRegistry,
} from "@jupyterlab/codemirror";
import { StateDB } from "@jupyterlab/statedb";
import { CommandRegistry } from "@lumino/commands";
import { MessageLoop } from "@lumino/messaging";
import { Widget } from "@lumino/widgets";
import { fireEvent, screen, waitFor } from "@testing-library/react";
import axe from "axe-core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Drafts } from "../create/drafts";
import { CreateTabs } from "../create/tabs";
import { EnvironmentsModel } from "../model";
import { CommandIDs } from "../tokens";
import { FakeServer } from "./fake";

const CHECK = "POST api/v1/specification/check/";
const clean = { name: "course", problems: [], warnings: [] };
const languages = new EditorLanguageRegistry();
const services = {
  factoryService: new CodeMirrorEditorFactory({ languages }),
  mimeTypeService: new CodeMirrorMimeTypeService(languages),
};

let server: FakeServer;
let model: EnvironmentsModel;
let database: StateDB;
let shown: unknown[];
let tabs: CreateTabs;

beforeEach(async () => {
  server = new FakeServer().on(CHECK, () => clean).overview({ writable: ["ana", "data"] });
  model = new EnvironmentsModel(server.api, 1000);
  await model.refresh();
  database = new StateDB();
  tabs = open();
});

afterEach(() => {
  tabs.tracker.forEach((tab) => tab.dispose());
  model.dispose();
});

function open(): CreateTabs {
  const commands = new CommandRegistry();
  shown = [];
  commands.addCommand(CommandIDs.log, { execute: (args) => void shown.push({ ...args }) });
  const shell = {
    add: (widget: Widget) => Widget.attach(widget, document.body),
    activateById: () => undefined,
  };
  const app = { commands, shell } as unknown as ConstructorParameters<typeof CreateTabs>[0];
  return new CreateTabs(app, { api: server.api, model }, services, new Drafts(database));
}

const button = (name: string) => screen.getByRole<HTMLButtonElement>("button", { name });

test("a new environment goes to one's own namespace, or to another where one may create", async () => {
  const { content } = await tabs.open({ text: "name: course\n" });
  const chooser = await screen.findByLabelText<HTMLSelectElement>("Namespace");
  expect([...chooser.options].map((one) => one.text)).toEqual(["ana", "data"]);
  await waitFor(() => expect(chooser.value).toBe("ana"));
  fireEvent.change(chooser, { target: { value: "data" } });
  expect(content.parts.form.values.namespace).toBe("data");
});

test("a namespace in which one may not create is not hidden when it was asked for", async () => {
  await tabs.open({ text: "name: x", namespace: "other" });
  const chooser = await screen.findByLabelText<HTMLSelectElement>("Namespace");
  expect(chooser.selectedOptions[0]?.text).toContain("you may not create there");
});

test("mistakes are listed, lead to their line, and keep Create from being pressed", async () => {
  const problems = [{ message: "no list", line: 2, column: 3 }];
  server.on(CHECK, () => ({ ...clean, problems }));
  const { content } = await tabs.open({ text: "name: course\n  x: y\n" });
  fireEvent.click(await screen.findByRole("button", { name: "line 2: no list" }));
  expect(content.editor.editor.getCursorPosition()).toEqual({ line: 1, column: 2 });
  expect(button("Create").disabled).toBe(true);
  await waitFor(() => expect(content.node.querySelector(".cm-lintRange-error")).not.toBeNull());
});

test("what is typed into the editor is what is sent, and the tab gives way to the build's", async () => {
  server.on("POST api/v1/specification/", () => ({ build_id: 7, warnings: [] }));
  const tab = await tabs.open({ text: "" });
  tab.content.editor.model.sharedModel.setSource("name: course\n");
  await waitFor(() => expect(button("Create").disabled).toBe(false));
  await waitFor(() => expect(tab.title.label).toBe("course"));
  fireEvent.click(button("Create"));
  await waitFor(() => expect(shown).toEqual([{ build: 7, title: "ana/course" }]));
  expect(tab.isDisposed).toBe(true);
  expect(server.calls("POST api/v1/specification/")[0]?.body).toEqual({
    specification: "name: course\n",
    namespace: "ana",
  });
  expect((await database.list("conda-store-drafts")).ids).toEqual([]);
});

test("when the server is away nothing is lost, and a button tries again", async () => {
  const tab = await tabs.open({ text: "name: course\n" });
  await waitFor(() => expect(tab.title.label).toBe("course"));
  server.isAway = true;
  fireEvent.click(button("Create"));
  const again = await screen.findByRole("button", { name: "Try again" });
  expect(screen.getByRole("alert").textContent).toContain("No way to conda-store.");
  expect(tab.content.editor.model.sharedModel.getSource()).toBe("name: course\n");
  server.isAway = false;
  server.on("POST api/v1/specification/", () => ({ build_id: 8 }));
  fireEvent.click(again);
  await waitFor(() => expect(shown).toEqual([{ build: 8, title: "ana/course" }]));
});

test("a reload opens the draft again, and a tab that was closed gives its text to the next one", async () => {
  const first = await tabs.open({ text: "name: course\n", name: "mine" });
  first.content.editor.model.sharedModel.setSource("name: course\n# more\n");
  const { draft } = first.content.parts;
  await waitFor(async () =>
    expect((await new Drafts(database).load(draft))?.text).toContain("# more"),
  );
  const afterReload = open();
  const restored = await afterReload.open({ draft });
  expect(restored.content.editor.model.sharedModel.getSource()).toBe("name: course\n# more\n");
  expect(restored.content.parts.form.values.name).toBe("mine");
  restored.content.editor.model.sharedModel.setSource("name: closed\n");
  restored.dispose();
  first.content.parts.form.dispose();
  const next = await afterReload.open({});
  expect(next.content.editor.model.sharedModel.getSource()).toBe("name: closed\n");
  const other = await afterReload.open({});
  expect(other.content.editor.model.sharedModel.getSource()).toBe("");
  [next, other].forEach((tab) => tab.dispose());
});

test("a tab that was closed untouched leaves nothing behind", async () => {
  const tab = await tabs.open({ text: "name: course\n" });
  tab.dispose();
  await waitFor(async () => expect((await database.list("conda-store-drafts")).ids).toEqual([]));
});

test("Check shows what would be installed", async () => {
  const solve = [{ name: "numpy", version: "2.0", build: "py_0", size: 2_500_000 }];
  server.on("POST api/v1/specification/solve/", () => ({ solve }));
  await tabs.open({ text: "name: course\n" });
  fireEvent.click(await screen.findByRole("button", { name: "Check" }));
  expect(
    await screen.findByRole("heading", { name: "1 package would be installed" }),
  ).toBeDefined();
  expect(screen.getByRole("cell", { name: "numpy" })).toBeDefined();
  expect(screen.getByText("2.5 MB to fetch at most.")).toBeDefined();
});

test("a screen reader finds its way", async () => {
  const problems = [{ message: "no list", line: 2, column: 3 }];
  server.on(CHECK, () => ({ ...clean, problems }));
  const { content } = await tabs.open({ text: "name: course\n" });
  await screen.findByRole("button", { name: "line 2: no list" });
  MessageLoop.flush();
  const rules = { "color-contrast": { enabled: false }, region: { enabled: false } };
  const { violations } = await axe.run(content.node, { rules });
  expect(violations.map((one) => `${one.id}: ${one.nodes[0]?.html}`)).toEqual([]);
});
