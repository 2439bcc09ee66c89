// What an event source needs in its address.
import { ServerConnection } from "@jupyterlab/services";
import { expect, test } from "vitest";
import { CondaStoreApi } from "../api";

test("an event source proves in its address that a page of Jupyter asks", () => {
  const settings = ServerConnection.makeSettings({ baseUrl: "http://jupyter/user/ana/" });
  const api = new CondaStoreApi(settings);
  const address = "http://jupyter/user/ana/conda-store/api/v1/build/7/events/";
  expect(api.streamAddress("api/v1/build/7/events/")).toBe(address);
  document.cookie = "_xsrf=MnxhYg==:b+c";
  expect(api.streamAddress("api/v1/build/7/events/")).toBe(`${address}?_xsrf=MnxhYg%3D%3D%3Ab%2Bc`);
  document.cookie = "_xsrf=; max-age=0";
});
