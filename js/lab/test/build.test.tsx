import { CommandRegistry } from "@lumino/commands";
import { Widget } from "@lumino/widgets";
import { fireEvent, screen, waitFor } from "@testing-library/react";
import axe from "axe-core";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { BuildModel } from "../log/build";
import { BuildTabs } from "../log/tabs";
import { EnvironmentsModel } from "../model";
import { CommandIDs } from "../tokens";
import { FakeEvents } from "./events";
import { FakeServer, refused } from "./fake";

const BUILD = "GET api/v1/build/7/";
const ended = { status: "FAILED", status_info: "numpy 99 is in no channel" };

let server: FakeServer;
let store: { api: FakeServer["api"]; model: EnvironmentsModel };
let commands: CommandRegistry;
let asked: [string, unknown][];
let running: number[];
let tabs: BuildTabs;

beforeEach(() => {
  FakeEvents.install();
  FakeEvents.all = [];
  const specification = { name: "course", spec: {}, sha256: "0" };
  server = new FakeServer().on(BUILD, () => ({ id: 7, status: "BUILDING", specification }));
  store = { api: server.api, model: new EnvironmentsModel(server.api, 1000) };
  commands = new CommandRegistry();
  asked = [];
  running = [];
  for (const id of [CommandIDs.log, CommandIDs.create, CommandIDs.pin, "notebook:create-new"])
    commands.addCommand(id, { execute: (args) => void asked.push([id, { ...args }]) });
  tabs = open();
});

afterEach(() => {
  tabs.tracker.forEach((tab) => tab.dispose());
  store.model.dispose();
});

function open(kernel: string | null = "conda-store-data-course"): BuildTabs {
  const shell = {
    add: (widget: Widget) => Widget.attach(widget, document.body),
    activateById: () => undefined,
  };
  const app = { shell } as unknown as ConstructorParameters<typeof BuildTabs>[0];
  const kernelOf = () => Promise.resolve(kernel);
  const means = { commands, store, hasNotebook: () => true, kernelOf };
  return new BuildTabs(app, means, (build) => running.push(build));
}

const status = () => document.querySelector<HTMLElement>(".jp-CondaStore-status")?.textContent;
const log = () => screen.getByRole("log").textContent;

test("a build is shown while it goes on: status, stages, log", async () => {
  await tabs.open({ build: 7, title: "data/course" });
  await waitFor(() => expect(status()).toBe("BUILDING"));
  expect(running).toContain(7);
  const { last } = FakeEvents;
  expect(last.url).toBe("http://jupyter/conda-store/api/v1/build/7/events/");
  last.open();
  last.send(1, "log", { text: "solve: 2 packages" });
  last.send(2, "progress", { stage: "fetch", total: 10 });
  last.send(3, "progress", { stage: "fetch", done: 4 });
  const bar = await screen.findByRole<HTMLProgressElement>("progressbar", { name: "fetch" });
  await waitFor(() => expect([bar.value, bar.max]).toEqual([4, 10]));
  await waitFor(() => expect(log()).toBe("solve: 2 packages\n"));
  last.send(4, "progress", { stage: "fetch", seconds: 1 });
  await waitFor(() => expect(screen.queryByRole("progressbar")).toBeNull());
});

test("lines come once, although the stream begins anew after the server was away", async () => {
  await tabs.open({ build: 7 });
  const first = FakeEvents.last;
  first.open();
  first.send(1, "log", { text: "one" });
  server.on("GET api/v1/build/7/events/", () => "");
  vi.stubGlobal("fetch", () => Promise.resolve(new Response("", { status: 200 })));
  first.fail(true);
  await waitFor(() => expect(FakeEvents.last).not.toBe(first));
  FakeEvents.last.open();
  FakeEvents.last.send(1, "log", { text: "one" });
  FakeEvents.last.send(2, "log", { text: "two" });
  await waitFor(() => expect(log()).toBe("one\ntwo\n"));
  vi.unstubAllGlobals();
});

test("while the server is away the tab says so, and what came stays", async () => {
  await tabs.open({ build: 7 });
  const { last } = FakeEvents;
  last.open();
  last.send(1, "log", { text: "one" });
  last.fail(false);
  last.fail(false);
  expect(await screen.findByText(/goes on by itself/)).toBeDefined();
  await waitFor(() => expect(log()).toBe("one\n"));
  last.open();
  await waitFor(() => expect(screen.queryByText(/goes on by itself/)).toBeNull());
});

test("a tab that nobody sees takes no connection", async () => {
  const tab = await tabs.open({ build: 7 });
  const { last } = FakeEvents;
  tab?.hide();
  expect(last.readyState).toBe(FakeEvents.CLOSED);
  tab?.show();
  expect(FakeEvents.last).not.toBe(last);
});

test("a build has one tab, and is opened again after a reload", async () => {
  const tab = await tabs.open({ build: 7, title: "data/course" });
  expect(await tabs.open({ build: 7 })).toBe(tab);
  expect(tab?.title.label).toBe("data/course #7");
  expect(await tabs.open({})).toBeUndefined();
});

test("a build can be canceled while it goes on", async () => {
  server.on("PUT api/v1/build/7/cancel/", () => null);
  await tabs.open({ build: 7 });
  fireEvent.click(await screen.findByRole("button", { name: "Cancel Build" }));
  await waitFor(() => expect(server.calls("PUT api/v1/build/7/cancel/")).toHaveLength(1));
});

test("a build that is ready leads to notebooks", async () => {
  await tabs.open({ build: 7, title: "data/course" });
  FakeEvents.last.send(1, "status", { status: "COMPLETED", status_info: null });
  fireEvent.click(await screen.findByRole("button", { name: "New Notebook" }));
  const kernelName = "conda-store-data-course";
  await waitFor(() => expect(asked).toEqual([["notebook:create-new", { kernelName }]]));
  fireEvent.click(screen.getByRole("button", { name: "Use in Current Notebook" }));
  expect(asked.at(-1)).toEqual([CommandIDs.pin, { build: 7 }]);
});

test("a build that failed says why, and leads to its specification or to another try", async () => {
  server.on("GET api/v1/build/7/yaml/", () => new Response("name: course\n"));
  server.on("PUT api/v1/build/7/", () => ({ build_id: 8 }));
  await tabs.open({ build: 7, title: "data/course" });
  await waitFor(() => expect(status()).toBe("BUILDING"));
  FakeEvents.last.send(1, "status", ended);
  expect(await screen.findByText("numpy 99 is in no channel")).toBeDefined();
  fireEvent.click(screen.getByRole("button", { name: "Edit and Build Again…" }));
  const draft = { text: "name: course\n", namespace: "data", name: "course" };
  await waitFor(() => expect(asked).toEqual([[CommandIDs.create, draft]]));
  fireEvent.click(screen.getByRole("button", { name: "Rebuild" }));
  await waitFor(() => expect(asked.at(-1)).toEqual([CommandIDs.log, { build: 8 }]));
});

test("a build that one may not read says so", async () => {
  server.on(BUILD, () => refused(404, "There is no build 7, or you may not read it."));
  await tabs.open({ build: 7 });
  expect(await screen.findByText(/you may not read it/)).toBeDefined();
});

test("a build that is asked for while the server is away comes later", async () => {
  vi.useFakeTimers();
  const build = new BuildModel(server.api, 7);
  try {
    server.isAway = true;
    await vi.waitFor(() => expect(build.trouble).toBe("No way to conda-store."));
    server.isAway = false;
    await vi.advanceTimersByTimeAsync(5000);
    await vi.waitFor(() => expect(build.status).toBe("BUILDING"));
    expect(build.trouble).toBe("");
  } finally {
    vi.useRealTimers();
    build.dispose();
  }
});

test("a screen reader finds its way", async () => {
  const tab = await tabs.open({ build: 7, title: "data/course" });
  FakeEvents.last.send(1, "status", ended);
  await screen.findByText("numpy 99 is in no channel");
  const rules = { "color-contrast": { enabled: false }, region: { enabled: false } };
  const { violations } = await axe.run(tab!.content.node, { rules });
  expect(violations.map((one) => `${one.id}: ${one.nodes[0]?.html}`)).toEqual([]);
});
