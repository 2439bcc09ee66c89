import { Token } from "@lumino/coreutils";
import type { CondaStoreApi } from "./api";
import type { EnvironmentsModel } from "./model";

/** What other plugins get of conda-store. */
export interface ICondaStore {
  readonly api: CondaStoreApi;
  readonly model: EnvironmentsModel;
}

export const ICondaStore = new Token<ICondaStore>(
  "conda-store:ICondaStore",
  "Environments of conda-store, and requests to it.",
);

/** Names of commands; arguments are named in commands' own modules. */
export const CommandIDs = {
  show: "conda-store:show-panel",
  refresh: "conda-store:refresh",
  create: "conda-store:create-environment",
  createFromFile: "conda-store:create-from-file",
  createFromImports: "conda-store:create-from-imports",
  /** Arguments `{build: number, title?: string}`. */
  log: "conda-store:show-build",
  rebuild: "conda-store:rebuild",
  /** Arguments `{build: number}`: run the current notebook in this build from now on. */
  pin: "conda-store:pin-notebook",
} as const;
