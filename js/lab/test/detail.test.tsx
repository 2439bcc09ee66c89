import { CommandRegistry } from "@lumino/commands";
import { act, cleanup, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { afterEach, beforeEach, expect, test } from "vitest";
import { EnvironmentsModel } from "../model";
import { addActions } from "../panel/commands";
import { Comparison } from "../panel/difference";
import { EnvironmentDetail } from "../panel/environment";
import { requested } from "../panel/packages";
import { PanelContext } from "../panel/surroundings";
import { PanelView } from "../panel/view";
import type { Build, EnvironmentRow } from "../shapes";
import { type Asked, FakeServer, refused, row } from "./fake";

const build = (more: Partial<Build>): Build => ({
  id: 1,
  environment_id: 1,
  specification: null,
  status: "COMPLETED",
  status_info: null,
  size: 2_000_000,
  scheduled_on: "2026-01-01T00:00:00",
  started_on: null,
  ended_on: null,
  build_artifacts: null,
  ...more,
});

const page = (data: unknown[], count = data.length): Response =>
  Response.json({ status: "ok", data, page: 1, size: 25, count });

let server: FakeServer;
let model: EnvironmentsModel;
beforeEach(() => {
  server = new FakeServer();
  server.on("GET api/v1/build/", () => page([build({ id: 2, status: "FAILED" }), build({})]));
  model = new EnvironmentsModel(server.api, 1000);
});
afterEach(() => {
  cleanup();
  model.dispose();
});

async function show(one: EnvironmentRow): Promise<void> {
  server.overview({ environments: [one], roles: { viewer: ["environment::read"] } });
  await model.refresh();
  const commands = new CommandRegistry();
  addActions({ commands, contextMenuHitTest: () => undefined } as never, model, null);
  render(
    <PanelContext.Provider value={{ model, view: new PanelView(model), commands }}>
      <EnvironmentDetail row={one} byPackage="" />
    </PanelContext.Provider>,
  );
  await waitFor(() => expect(screen.queryByText("Loading…")).toBeNull());
}

const button = (name: string | RegExp): HTMLElement => screen.getByRole("button", { name });
const items = (name: string): (string | null)[] =>
  [...screen.getByRole("list", { name }).children].map((node) => node.textContent);

test("builds are listed, the newest first, and the current one is marked", async () => {
  await show(row({ newest_id: 2, newest_status: "FAILED" }));
  const listed = items("Builds of course");
  expect(listed[0]).toMatch(/^Build 2/);
  expect(listed[1]).toMatch(/^Build 1current/);
  const query = server.calls("GET api/v1/build/")[0]?.query;
  expect(Object.fromEntries(query ?? [])).toMatchObject({ namespace: "data", name: "course" });
});

test("a build that failed says why", async () => {
  const reason = "nothing provides <b>cuda</b>";
  server.on("GET api/v1/build/", () =>
    page([build({ id: 2, status: "FAILED", status_info: reason })]),
  );
  await show(row({ newest_id: 2, newest_status: "FAILED" }));
  expect(button(/^Build 2: failed/).getAttribute("aria-expanded")).toBe("true");
  expect(screen.getByText(reason)).toBeTruthy();
});

test("requested and installed packages are listed; installed ones are searched at the server", async () => {
  const spec = { dependencies: ["numpy >=2", { pip: ["rich"] }] };
  server.on("GET api/v1/build/1/", () =>
    build({ specification: { name: "course", spec, sha256: "" } }),
  );
  const one = (name: string): object => ({
    name,
    version: "1",
    build: "0",
    channel: { name: "c" },
  });
  server.on("GET api/v1/build/1/packages/", ({ query }: Asked) =>
    query.get("search") ? page([one("numpy")]) : page([one("abc"), one("numpy")], 60),
  );
  await show(row());
  fireEvent.click(button("Packages of build 1"));
  await waitFor(() => expect(items("Installed packages")).toEqual(["abc1", "numpy1"]));
  expect(items("Requested packages")).toEqual(["numpy >=2", "rich (pip)"]);
  fireEvent.click(button("Next"));
  const last = (): Asked | undefined => server.calls("GET api/v1/build/1/packages/").at(-1);
  await waitFor(() => expect(last()?.query.get("page")).toBe("2"));
  const search = screen.getByRole("searchbox", { name: "Search packages of build 1" });
  fireEvent.change(search, { target: { value: "num" } });
  await waitFor(() => expect(items("Installed packages")).toEqual(["numpy1"]));
  expect(Object.fromEntries(last()?.query ?? [])).toMatchObject({ page: "1", search: "num" });
});

test("what cannot be loaded says why, and is tried again", async () => {
  server.on("GET api/v1/build/", () => refused(502, "No way to conda-store."));
  await show(row());
  expect(screen.getByRole("alert").textContent).toContain("No way to conda-store.");
  server.on("GET api/v1/build/", () => page([build({})]));
  fireEvent.click(button("Try again"));
  await waitFor(() => expect(items("Builds of course")).toHaveLength(1));
});

test("a viewer has no buttons for what only others may do", async () => {
  await show(row({ newest_id: 2, newest_status: "BUILDING" }));
  expect(button("Copy docker command")).toBeTruthy();
  for (const name of ["Rebuild", "Cancel"])
    expect(screen.queryByRole("button", { name })).toBeNull();
});

test("a specification without dependencies asks for nothing by name", () => {
  expect(requested({})).toEqual([]);
  expect(requested({ dependencies: [null, 3, { pip: "rich" }] })).toEqual([]);
});

test("two builds are compared, and another one can be chosen", async () => {
  const version = { version: "1", build: "0", channel: "c" };
  const packages = {
    added: [{ name: "new", ...version }],
    removed: [],
    changed: [{ name: "numpy", before: version, after: { ...version, version: "2" } }],
  };
  const specification = { added: [], removed: [], changed: [] };
  const same = { added: [], removed: [], changed: [] };
  server.on("GET api/v1/build/1/diff/2/", () => ({ packages, specification }));
  server.on("GET api/v1/build/2/diff/2/", () => ({ packages: same, specification }));
  render(<Comparison api={server.api} row={row()} build={2} />);
  await waitFor(() => expect(screen.getAllByRole("row")).toHaveLength(3));
  expect(screen.getAllByRole("row").map((node) => node.textContent)).toEqual([
    "ChangeNameBeforeAfter",
    "addednew1 0 (c)",
    "changednumpy1 02 0",
  ]);
  act(() => {
    fireEvent.change(screen.getByLabelText("From"), { target: { value: "2" } });
  });
  await waitFor(() => expect(screen.getAllByText("The same in both.")).toHaveLength(2));
});
