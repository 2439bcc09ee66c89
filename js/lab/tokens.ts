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
  /** Arguments `{text?, namespace?, name?, description?}`: what the form holds at first. */
  create: "conda-store:create-environment",
  createFromFile: "conda-store:create-from-file",
  createFromImports: "conda-store:create-from-imports",
  /** Arguments `{build: number, title?: string}`. */
  log: "conda-store:show-build",
  /** Arguments of this and of those below: `{build?: number, namespace?, name?, status?}`. */
  rebuild: "conda-store:rebuild",
  logOfRow: "conda-store:show-log-of-row",
  pinRow: "conda-store:pin-notebook-to-row",
  /** Opens the editor with the specification of a build. */
  edit: "conda-store:edit-environment",
  makeCurrent: "conda-store:make-current",
  compare: "conda-store:compare-builds",
  cancel: "conda-store:cancel-build",
  deleteBuild: "conda-store:delete-build",
  deleteEnvironment: "conda-store:delete-environment",
  /** Also `{how: "run" | "pull", by: "tag" | "digest"}`. */
  copyImage: "conda-store:copy-image",
  /** Also `{artifact: "lockfile" | "yaml" | "archive"}`. */
  download: "conda-store:download",
  saveToFolder: "conda-store:save-to-folder",
  /** Arguments `{build: number}`: run the current notebook in this build from now on. */
  pin: "conda-store:pin-notebook",
  /** Run the current notebook in the current build of its environment again. */
  unpin: "conda-store:unpin-notebook",
} as const;
