import { completionStatus, startCompletion, autocompletion } from "@codemirror/autocomplete";
import { EditorState } from "@codemirror/state";
import { EditorView, runScopeHandlers } from "@codemirror/view";
import { CommandRegistry } from "@lumino/commands";
import { expect, test, vi } from "vitest";
import { Completion, enterEndsLine } from "../../shared/completion";
import { draftOf, isSpecification } from "../create/file";
import { createPlugin } from "../create/plugin";
import { CommandIDs } from "../tokens";

test.each([
  ["environment.yml", true],
  ["a/b.YAML", true],
  ["conda.lock", true],
  ["conda-lock.yml", true],
  ["notes.txt", false],
  ["yml", false],
])("%s may be a specification: %s", (path, is) => expect(isSpecification(path)).toBe(is));

test.each([
  ["work/environment.yml", "name: own\n", ""],
  ["work/environment.yml", "dependencies: []\n", "work"],
  ["work/my course.yaml", "dependencies: []\n", "my-course"],
  ["conda-lock.yml", "version: 1\n", ""],
])("%s with %j is called %j", async (path, content, name) => {
  const get = vi.fn().mockResolvedValue({ content });
  expect(await draftOf({ get }, path)).toEqual({ text: content, name });
  expect(get).toHaveBeenCalledWith(path, { type: "file", format: "text", content: true });
});

/** The commands, in a JupyterLab whose file browser has `chosen` items. */
function commandsFor(chosen: { path: string; type: string }[]): CommandRegistry {
  const commands = new CommandRegistry();
  const get = () => Promise.resolve({ content: "name: course\n" });
  const app = { commands, shell: {}, serviceManager: { contents: { get } } };
  const browsers = { tracker: { currentWidget: { selectedItems: () => chosen.values() } } };
  const nothing = [null, null, null, null];
  void createPlugin.activate(app as never, {}, {}, ...nothing, browsers, null);
  return commands;
}

test("one chosen file that may be a specification has a command, and nothing else", () => {
  const isVisible = (...chosen: { path: string; type: string }[]) =>
    commandsFor(chosen).isVisible(CommandIDs.createFromFile);
  const file = { path: "environment.yml", type: "file" };
  expect(isVisible(file)).toBe(true);
  expect(isVisible(file, { ...file, path: "b.yml" })).toBe(false);
  expect(isVisible({ path: "folder.yml", type: "directory" })).toBe(false);
  expect(isVisible({ path: "notes.txt", type: "file" })).toBe(false);
  expect(isVisible()).toBe(false);
});

async function offered(doc: string): Promise<EditorView> {
  const named = [{ name: "numpy" }, { name: "numpydoc" }];
  const { source } = new Completion(() => Promise.resolve({ data: named }));
  const extensions = [enterEndsLine, autocompletion({ override: [source], interactionDelay: 0 })];
  const state = EditorState.create({ doc, selection: { anchor: doc.length }, extensions });
  const view = new EditorView({ state, parent: document.body });
  startCompletion(view);
  await vi.waitFor(() => expect(completionStatus(view.state)).toBe("active"));
  return view;
}

test.each([
  ["dependencies:\n- nump", "dependencies:\n- numpy", "what is offered is taken"],
  ["dependencies:\n- numpy", "dependencies:\n- numpy", "the line may end"],
])("Enter behind %j: %s", async (doc, after) => {
  const view = await offered(doc);
  const isTaken = runScopeHandlers(view, new KeyboardEvent("keydown", { key: "Enter" }), "editor");
  expect([view.state.doc.toString(), isTaken]).toEqual([after, doc !== after]);
  view.destroy();
});
