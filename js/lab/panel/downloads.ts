// What a build left: through the browser to the reader's own disk, or into the file browser's folder.
import { Notification } from "@jupyterlab/apputils";
import type { FileBrowser } from "@jupyterlab/filebrowser";
import type { CommandRegistry } from "@lumino/commands";
import { type CondaStoreApi, CondaStoreError } from "../api";

export type Artifact = "lockfile" | "yaml" | "archive";

interface Kind {
  /** Below `build/<id>/`. */
  path: string;
  label: string;
  file: (environment: string, build: number) => string;
}

// A name may hold what a file system or a shell takes for its own.
const safe = (name: string): string => name.replace(/[^A-Za-z0-9._-]/g, "_").slice(0, 100);

export const ARTIFACTS: Record<Artifact, Kind> = {
  lockfile: {
    path: "conda-lock.yml",
    label: "Lockfile (conda-lock.yml)",
    file: (environment, build) => `${safe(environment)}-${build}.conda-lock.yml`,
  },
  yaml: {
    path: "yaml/",
    label: "Specification (YAML)",
    file: (environment, build) => `${safe(environment)}-${build}.yaml`,
  },
  archive: {
    path: "archive/",
    label: "Archive (conda-pack)",
    file: (environment, build) => `${safe(environment)}-${build}.tar.gz`,
  },
};

/** Let the browser download an artifact as soon as it has been made; what goes wrong is thrown, not stored as a file. */
export async function download(
  api: CondaStoreApi,
  environment: string,
  build: number,
  artifact: Artifact,
): Promise<void> {
  const { path, file } = ARTIFACTS[artifact];
  const address = `api/v1/build/${build}/${path}`;
  await ready(api, address);
  const link = document.createElement("a");
  link.href = api.address(address);
  link.download = file(environment, build);
  document.body.append(link);
  link.click();
  link.remove();
}

/** Return when an artifact can be downloaded; throws why it cannot, in the server's words. */
async function ready(api: CondaStoreApi, address: string): Promise<void> {
  try {
    await api.fetch(address, { method: "HEAD" });
  } catch (error) {
    if (!(error instanceof CondaStoreError) || error.status === 0) throw error;
    // An answer to HEAD has no words.
    await api.fetch(address, { headers: { Range: "bytes=0-0" } });
  }
}

/** Let the Jupyter server store an artifact in the folder that `browser` shows; the path of the file. */
export async function saveToFolder(
  api: CondaStoreApi,
  browser: FileBrowser,
  environment: string,
  build: number,
  artifact: Artifact,
): Promise<string> {
  const { path, file } = ARTIFACTS[artifact];
  const directory = browser.model.manager.services.contents.localPath(browser.model.path);
  const saved = await api.json<{ path: string }>("save/", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({
      path: `api/v1/build/${build}/${path}`,
      directory,
      name: file(environment, build),
    }),
  });
  await browser.model.refresh();
  return saved.path;
}

/** Say that something takes its time while it does, and how it ended. */
export async function told(
  pending: string,
  work: Promise<{ message: string; actions?: Notification.IAction[] }>,
): Promise<void> {
  const id = Notification.emit(pending, "in-progress", { autoClose: false });
  try {
    const { message, actions } = await work;
    Notification.update({ id, message, type: "success", autoClose: 5000, actions: actions ?? [] });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    Notification.update({ id, message, type: "error", autoClose: false });
  }
}

/** A button that shows a file in the file browser. */
export const showing = (commands: CommandRegistry, path: string): Notification.IAction => ({
  label: "Show",
  callback: () => void commands.execute("filebrowser:go-to-path", { path }),
});
