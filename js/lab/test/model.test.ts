import { ServerConnection } from "@jupyterlab/services";
import { afterEach, expect, test } from "vitest";
import { CondaStoreApi } from "../api";
import { type Ended, EnvironmentsModel } from "../model";
import type { EnvironmentRow } from "../shapes";
import { row } from "./fake";

/** A Jupyter server that answers from `rows`; null when it is away. */
function model(rows: () => EnvironmentRow[] | null): EnvironmentsModel {
  const answer = (address: string): Response => {
    const environments = rows();
    if (environments === null)
      return Response.json({ status: "error", message: "No way to conda-store." }, { status: 502 });
    if (address.endsWith("/connection/"))
      return Response.json({
        url: "http://x/",
        state: "ok",
        message: "",
        user: "ana",
        version: "1",
      });
    return Response.json({
      status: "ok",
      data: { environments, roles: { viewer: ["environment::read"] }, writable: [] },
    });
  };
  const settings = ServerConnection.makeSettings({
    baseUrl: "http://jupyter/",
    fetch: (request) => Promise.resolve(answer(new URL((request as Request).url).pathname)),
  });
  made = new EnvironmentsModel(new CondaStoreApi(settings), 1000);
  return made;
}

let made: EnvironmentsModel | undefined;
afterEach(() => made?.dispose());

test("a build that ends between two looks is told, with how it ended", async () => {
  let now = row({ newest_id: 2, newest_status: "BUILDING" });
  const one = model(() => [now]);
  const told: Ended[] = [];
  one.ended.connect((_, ended) => told.push(ended));
  await one.refresh();
  expect(told).toEqual([]);
  now = row({ build_id: 2, newest_id: 2, newest_status: "COMPLETED" });
  await one.refresh();
  expect(told.map(({ build, status }) => [build, status])).toEqual([[2, "COMPLETED"]]);
});

test("while the server is away the last environments stay, and the reason is told", async () => {
  let rows: EnvironmentRow[] | null = [row()];
  const one = model(() => rows);
  await one.refresh();
  expect(one.connection?.state).toBe("ok");
  rows = null;
  await one.refresh().catch(() => undefined);
  expect(one.connection?.state).toBe("unreachable");
  expect(one.connection?.message).toBe("No way to conda-store.");
  expect(one.environments).toHaveLength(1);
  expect(one.may("environment::read", row())).toBe(true);
  expect(one.may("environment::delete", row())).toBe(false);
});
