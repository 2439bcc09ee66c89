import { CommandRegistry } from "@lumino/commands";
import { act, cleanup, fireEvent, render, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import axe from "axe-core";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { EnvironmentsModel } from "../model";
import { EnvironmentsPanel } from "../panel/panel";
import { PanelView } from "../panel/view";
import type { ConnectionState, EnvironmentRow } from "../shapes";
import { CommandIDs } from "../tokens";
import { FakeServer, refused, row } from "./fake";

let server: FakeServer;
let model: EnvironmentsModel;
let view: PanelView;
let commands: CommandRegistry;
const create = vi.fn();

// jsdom lays nothing out: the list is as high as this, and so shows some rows.
const HEIGHT = 560;
for (const side of ["clientHeight", "clientWidth", "offsetHeight"])
  Object.defineProperty(HTMLElement.prototype, side, {
    configurable: true,
    get(this: HTMLElement) {
      return this.classList.contains("jp-CondaStore-list") ? HEIGHT : 28;
    },
  });

beforeEach(() => {
  server = new FakeServer();
  model = new EnvironmentsModel(server.api, 1000);
  view = new PanelView(model);
  commands = new CommandRegistry();
  create.mockReset();
  commands.addCommand(CommandIDs.create, { execute: create });
  const refresh = (): Promise<void> => model.refresh().catch(() => undefined);
  commands.addCommand(CommandIDs.refresh, { execute: refresh });
});
afterEach(() => {
  cleanup();
  model.dispose();
});

async function show(...environments: EnvironmentRow[]): Promise<void> {
  server.overview({ environments });
  render(<EnvironmentsPanel model={model} view={view} commands={commands} />);
  await look();
}

const look = (): Promise<void> => act(() => model.refresh().catch(() => undefined));
const button = (name: string | RegExp): HTMLElement => screen.getByRole("button", { name });
const rowNames = (): (string | undefined)[] =>
  [...document.querySelectorAll<HTMLElement>("[data-row]")].map((node) => node.dataset["row"]);

test("environments have states in words, below their namespaces", async () => {
  await show(row(), row({ name: "new", status: "FAILED", newest_status: "FAILED" }));
  expect(button("Namespace data, 2 environments").getAttribute("aria-expanded")).toBe("true");
  expect(button(/^data\/course: Ready, built .* ago$/)).toBeTruthy();
  expect(button(/^data\/new: Failed/)).toBeTruthy();
});

test("of thousands of environments only a windowful exists", async () => {
  const many = Array.from({ length: 5000 }, (_, index) => row({ name: `e${10000 + index}` }));
  await show(...many);
  const names = rowNames();
  expect(names.slice(0, 2)).toEqual(["data/", "data/e10000"]);
  expect(names.length).toBeGreaterThan(HEIGHT / 28 - 1);
  expect(names.length).toBeLessThan(60);
});

test("arrow keys go through the rows, open and fold, and Home and End lead to the ends", async () => {
  await show(row(), row({ namespace: "lab", name: "torch" }));
  const user = userEvent.setup();
  const active = (): string | undefined => (document.activeElement as HTMLElement).dataset["row"];
  act(() => button(/^Namespace data/).focus());
  await user.keyboard("{ArrowDown}");
  expect(active()).toBe("data/course");
  await user.keyboard("{ArrowRight}");
  expect(button(/^data\/course/).getAttribute("aria-expanded")).toBe("true");
  await user.keyboard("{ArrowLeft}{ArrowLeft}");
  expect(active()).toBe("data/");
  await user.keyboard("{ArrowLeft}");
  expect(rowNames()).toEqual(["data/", "lab/", "lab/torch"]);
  await user.keyboard("{End}");
  expect(active()).toBe("lab/torch");
  await user.keyboard("{Home}");
  expect(active()).toBe("data/");
  // Only one row is on the way of Tab.
  const stops = document.querySelectorAll('[data-row][tabindex="0"]');
  expect([...stops].map((node) => (node as HTMLElement).dataset["row"])).toEqual(["data/"]);
});

test("names of any kind are text, whole in the title and cut by the style", async () => {
  const names = ["<img src=x onerror=alert(1)>", "\u202Egnp.exe", "n".repeat(10_000)];
  await show(...names.map((name) => row({ name, description: name })));
  expect(document.querySelector("img")).toBeNull();
  for (const name of names) {
    const shown = [...document.querySelectorAll("bdi.jp-CondaStore-name")].filter(
      (node) => node.textContent === name,
    );
    expect(shown).toHaveLength(1);
    expect(shown[0]?.closest("button")?.title).toContain(name);
  }
});

const state = (more: Partial<ConnectionState>): ConnectionState => ({
  url: "http://store/",
  state: "ok",
  message: "",
  user: null,
  version: null,
  ...more,
});

test("while the server is away, it is said in place; what was there and what was typed stay", async () => {
  await show(row());
  const search = screen.getByRole<HTMLInputElement>("searchbox", { name: "Search environments" });
  fireEvent.change(search, { target: { value: "course" } });
  server.isAway = true;
  await look();
  expect(screen.getByRole("alert").textContent).toContain("No way to conda-store.");
  expect(search.value).toBe("course");
  expect(rowNames()).toContain("data/course");
  server.isAway = false;
  fireEvent.click(button("Try again"));
  await waitFor(() => expect(screen.queryByRole("alert")).toBeNull());
});

test.each([
  ["unconfigured", "No conda-store server is configured", "CONDA_STORE_URL"],
  ["refused", "conda-store does not let you in", "Ask whoever runs conda-store"],
] as const)("%s is explained", async (kind, title, way) => {
  server.on("GET connection/", () => Response.json(state({ state: kind, message: "So it is." })));
  server.on("GET api/v1/overview/", () => refused(503, "No."));
  render(<EnvironmentsPanel model={model} view={view} commands={commands} />);
  await look();
  const said = screen.getByRole("alert").textContent;
  for (const text of [title, "So it is.", way]) expect(said).toContain(text);
});

test("an empty store says what to do first, to those who may", async () => {
  await show();
  fireEvent.click(button("Create the first one"));
  expect(create).toHaveBeenCalled();
});

test("an empty store says to others whom to ask", async () => {
  server.overview({ writable: [] });
  render(<EnvironmentsPanel model={model} view={view} commands={commands} />);
  await look();
  expect(screen.getByRole("status").textContent).toContain("Ask whoever runs conda-store");
  expect(button(/^New environment: you may create none/).hasAttribute("disabled")).toBe(true);
});

test("a search that finds nothing offers the way back", async () => {
  await show(row());
  act(() => view.setSearch("no such thing"));
  expect(rowNames()).toEqual([]);
  fireEvent.click(button("Show all"));
  expect(rowNames()).toEqual(["data/", "data/course"]);
});

test("the foot says where environments come from, and who one is there", async () => {
  await show(row());
  expect(screen.getByText("Connected as ana")).toBeTruthy();
  const link = screen.getByRole<HTMLAnchorElement>("link", { name: "store/" });
  expect(link.href).toBe("http://store/");
});

test("a screen reader finds its way, in an environment that is open, too", async () => {
  server.on("GET api/v1/build/", () => refused(502, "No way to conda-store."));
  view.open("data/course", true);
  await show(row({ newest_id: 2, newest_status: "BUILDING" }));
  await waitFor(() => expect(screen.getByRole("alert")).toBeTruthy());
  // What jsdom cannot know: colours; and that the panel is a part of a page.
  const rules = { "color-contrast": { enabled: false }, region: { enabled: false } };
  const { violations } = await axe.run(document.body, { rules });
  expect(violations.map((one) => `${one.id}: ${one.nodes[0]?.html}`)).toEqual([]);
}, 20_000);

test("the first look at a thousand environments makes few elements, and later ones keep them", async () => {
  const many = Array.from({ length: 1000 }, (_, index) => row({ name: `e${10000 + index}` }));
  await show(...many);
  expect(document.querySelectorAll(".jp-CondaStore-panel, body *").length).toBeLessThan(700);
  const first = document.querySelector('[data-row="data/e10000"]');
  server.overview({ environments: [...many, row({ name: "new" })] });
  await look();
  expect(document.querySelector('[data-row="data/e10000"]')).toBe(first);
});
