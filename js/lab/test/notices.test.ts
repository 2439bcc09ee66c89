import { Notification } from "@jupyterlab/apputils";
import { StateDB } from "@jupyterlab/statedb";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { BuildNotices } from "../log/notices";
import { EnvironmentsModel } from "../model";
import { FakeServer, refused, row } from "./fake";

const BUILD = "GET api/v1/build/2/";

let server: FakeServer;
let store: { api: FakeServer["api"]; model: EnvironmentsModel };
let database: StateDB;
let shown: number[];

beforeEach(() => {
  server = new FakeServer();
  store = { api: server.api, model: new EnvironmentsModel(server.api, 1000) };
  database = new StateDB();
  shown = [];
});

afterEach(() => {
  store.model.dispose();
  Notification.dismiss();
});

const notices = (isWanted = () => true) =>
  new BuildNotices(store, database, (build) => shown.push(build), isWanted);
const words = () => Notification.manager.notifications.map(({ message }) => message);
const kept = () => database.fetch("conda-store-watched:builds");

function build(status: string): void {
  const isRunning = status === "BUILDING";
  const newest = { newest_id: 2, newest_status: status as "BUILDING" };
  const environments = [row({ ...newest, ...(isRunning ? {} : { build_id: 2 }) })];
  server.overview({ environments });
  server.on(BUILD, () => ({ id: 2, status, specification: { name: "course" } }));
}

test("the end of a build that was started here is told once, with a way to it", async () => {
  build("BUILDING");
  notices();
  server.on("PUT api/v1/build/1/", () => ({ build_id: 2 }));
  await store.api.send("PUT", "api/v1/build/1/");
  await store.model.refresh();
  expect(words()).toEqual([]);
  expect(server.calls(BUILD)).toEqual([]);
  build("COMPLETED");
  await store.model.refresh();
  await vi.waitFor(() => expect(words()).toEqual(["data/course: build 2 is ready."]));
  const [notice] = Notification.manager.notifications;
  notice?.options.actions?.[0]?.callback(new MouseEvent("click"));
  expect(shown).toEqual([2]);
  await store.model.refresh();
  expect(words()).toHaveLength(1);
});

test.each([
  ["FAILED", "data/course: build 2 failed."],
  ["CANCELED", "data/course: build 2 was canceled."],
])("a build that is %s is told so", async (status, message) => {
  build(status);
  notices().watch(2);
  await store.model.refresh();
  await vi.waitFor(() => expect(words()).toEqual([message]));
});

test("builds of others are not told of, and nothing is where it is not wanted", async () => {
  build("COMPLETED");
  const own = notices(() => false);
  await store.model.refresh();
  expect(server.calls(BUILD)).toEqual([]);
  own.watch(2);
  await own.look();
  await vi.waitFor(async () => expect(await kept()).toEqual([]));
  expect(words()).toEqual([]);
});

test("a build that ended while JupyterLab was closed is told of", async () => {
  build("BUILDING");
  notices().watch(2);
  await vi.waitFor(async () => expect(await kept()).toEqual([2]));
  build("COMPLETED");
  notices();
  await store.model.refresh();
  await vi.waitFor(() => expect(words()).toContain("data/course: build 2 is ready."));
});

test("a build that is gone is no longer waited for; one behind a server that is away is", async () => {
  build("COMPLETED");
  server.on(BUILD, () => refused(502, "No way to conda-store."));
  const own = notices();
  own.watch(2);
  await store.model.refresh();
  await own.look();
  expect(await kept()).toEqual([2]);
  server.on(BUILD, () => refused(404, "There is no build 2."));
  await own.look();
  await vi.waitFor(async () => expect(await kept()).toEqual([]));
  expect(words()).toEqual([]);
});
