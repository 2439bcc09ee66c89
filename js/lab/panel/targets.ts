// Which build a command is about: told by its arguments, or by the row whose context menu is open.
import type { JupyterFrontEnd } from "@jupyterlab/application";
import type { ReadonlyJSONObject, ReadonlyPartialJSONObject } from "@lumino/coreutils";
import { type EnvironmentsModel, key } from "../model";
import type { EnvironmentRow, Status } from "../shapes";

export interface Target {
  /** Null where only the build is known; the server then says what is allowed. */
  row: EnvironmentRow | null;
  build: number;
  status: Status | null;
  /** The environment was named, and no build of it: the current one is meant. */
  isWhole: boolean;
}

/** Attributes by which a row says what it is about; on all elements that have a context menu. */
export const marked = (
  row: { namespace: string; name: string },
  build?: { id: number; status: Status },
): Record<string, string | number> => ({
  "data-namespace": row.namespace,
  "data-name": row.name,
  ...(build && { "data-build": build.id, "data-status": build.status }),
});

/** Arguments for a command about a build; without one, about the environment and its current build. */
export const about = (
  row: { namespace: string; name: string },
  build?: { id: number; status: Status },
): ReadonlyJSONObject => ({
  namespace: row.namespace,
  name: row.name,
  ...(build && { build: build.id, status: build.status }),
});

export class Targets {
  constructor(
    private readonly app: Pick<JupyterFrontEnd, "contextMenuHitTest">,
    private readonly model: EnvironmentsModel,
  ) {}

  /** What a command is about; null when it is about nothing that is known. */
  of(args: ReadonlyPartialJSONObject): Target | null {
    if (args["build"] === undefined && args["name"] === undefined) return this.ofMenu();
    return this.found(args["namespace"], args["name"], Number(args["build"] ?? 0), args["status"]);
  }

  private ofMenu(): Target | null {
    const node = this.app.contextMenuHitTest((one) => one.dataset["name"] !== undefined);
    if (!node) return null;
    const { namespace, name, build, status } = node.dataset;
    return this.found(namespace, name, Number(build ?? 0), status);
  }

  private found(namespace: unknown, name: unknown, build: number, status: unknown): Target | null {
    const wanted = `${String(namespace)}/${String(name)}`;
    const row = this.model.environments.find((one) => key(one) === wanted) ?? null;
    if (!build) return row && { row, build: row.build_id, status: row.status, isWhole: true };
    const known = (status as Status | undefined) ?? null;
    return { row, build, status: known ?? statusOf(row, build), isWhole: false };
  }
}

const statusOf = (row: EnvironmentRow | null, build: number): Status | null => {
  if (row?.build_id === build) return row.status;
  return row?.newest_id === build ? row.newest_status : null;
};
