import { type ISettingRegistry, SettingRegistry } from "@jupyterlab/settingregistry";
import { expect, test, vi } from "vitest";
import { EnvironmentsModel } from "../model";
import schema from "../schema/plugin.json";
import { follow, stateOf, withConnection, withValues } from "../settings";
import type { ConnectionState } from "../shapes";
import { FakeServer } from "./fake";

const ok: ConnectionState = {
  url: "http://store/",
  state: "ok",
  message: "",
  user: "ana",
  version: "1.2",
};

const plugin = { id: "conda-store:plugin", schema } as unknown as ISettingRegistry.IPlugin;

test("the settings editor is told address and state, which nobody can set there", () => {
  const { address, connection } = withConnection(plugin, ok).schema.properties ?? {};
  expect(address).toMatchObject({ default: "http://store/", readOnly: true });
  expect(connection).toMatchObject({
    default: "Connected as ana, conda-store 1.2",
    readOnly: true,
  });
});

test("trouble is told with its reason", () => {
  const away: ConnectionState = { ...ok, state: "unreachable", message: "No way." };
  expect(stateOf(away)).toBe("Not reachable: No way.");
  expect(stateOf(null)).toBe("Not known yet");
});

test("what a file says of the connection counts for nothing", () => {
  const data = { user: {}, composite: { pollSeconds: 9, address: "http://elsewhere/" } };
  expect(withValues({ ...plugin, data }, ok).data.composite).toEqual({
    pollSeconds: 9,
    address: "http://store/",
    connection: "Connected as ana, conda-store 1.2",
  });
});

test("JupyterLab's own registry shows the connection as soon as it is known", async () => {
  const fetched = { ...plugin, raw: "{}", version: "1", data: { composite: {}, user: {} } };
  const connector = { fetch: () => Promise.resolve(fetched) };
  const registry = new SettingRegistry({ connector: connector as never, plugins: [fetched] });
  const model = new EnvironmentsModel(new FakeServer().api, 1000);
  await follow(registry, model);
  await model.refresh();
  await vi.waitFor(async () => {
    const { composite } = await registry.load("conda-store:plugin");
    expect(composite).toMatchObject({ address: "http://store/", pollSeconds: 5 });
  });
  model.dispose();
});
