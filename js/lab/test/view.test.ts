import { StateDB } from "@jupyterlab/statedb";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { EnvironmentsModel } from "../model";
import { PanelView } from "../panel/view";
import { FakeServer, row } from "./fake";

let server: FakeServer;
let model: EnvironmentsModel;
beforeEach(async () => {
  server = new FakeServer().overview({
    environments: [row(), row({ namespace: "lab", name: "torch" })],
  });
  model = new EnvironmentsModel(server.api, 1000);
  await model.refresh();
});
afterEach(() => model.dispose());

const keys = (view: PanelView): string[] => view.items.map((item) => item.key);

test("a package's name is asked of the server, once one has stopped typing", async () => {
  server.on("GET api/v1/environment/", () => [{ name: "torch", namespace: { name: "lab" } }]);
  const view = new PanelView(model);
  view.setSearch("nu");
  view.setSearch("numpy");
  expect(keys(view)).toEqual([]);
  await vi.waitFor(() => expect(keys(view)).toEqual(["lab/", "lab/torch"]));
  const asked = server.calls("GET api/v1/environment/");
  expect(asked.map(({ query }) => query.get("packages"))).toEqual(["numpy"]);
});

test("an answer for what is typed no more changes nothing", async () => {
  let answer: (found: unknown) => void = () => undefined;
  server.on("GET api/v1/environment/", () => new Promise((resolve) => (answer = resolve)));
  const view = new PanelView(model);
  view.setSearch("numpy");
  await vi.waitFor(() => expect(server.calls("GET api/v1/environment/")).toHaveLength(1));
  view.setSearch("a name with blanks");
  answer([{ name: "torch", namespace: { name: "lab" } }]);
  await new Promise((resolve) => setTimeout(resolve));
  expect(keys(view)).toEqual([]);
});

test("what is folded is remembered from one page to the next", async () => {
  const state = new StateDB();
  const one = new PanelView(model, state);
  one.fold("data", true);
  const next = new PanelView(model, state);
  await vi.waitFor(async () => {
    await next.restore();
    expect(keys(next)).toEqual(["data/", "lab/", "lab/torch"]);
  });
});

test("what was remembered in another shape is left alone", async () => {
  const state = new StateDB();
  await state.save("conda-store:panel", { folded: "data" });
  const view = new PanelView(model, state);
  await view.restore();
  expect(keys(view)).toHaveLength(4);
});

test("what is typed and opened outlives a server that goes away", async () => {
  const view = new PanelView(model);
  view.setSearch("course");
  view.open("data/course", true);
  server.isAway = true;
  await model.refresh().catch(() => undefined);
  expect([view.search, view.isOpen("data/course"), keys(view)]).toEqual([
    "course",
    true,
    ["data/", "data/course"],
  ]);
});
