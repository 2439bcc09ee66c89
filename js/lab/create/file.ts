// "Create conda-store environment…" for a file of the file browser.
import { PathExt } from "@jupyterlab/coreutils";
import type { Contents } from "@jupyterlab/services";

/** Whether a file may be a specification or a lockfile. */
export const isSpecification = (path: string): boolean => /\.(ya?ml|lock)$/i.test(path);

const USUAL = /^(environment|conda-lock|pixi|conda)$/i;

/** What the form holds for the file at `path`; an environment whose file does not say its name is called after the file. */
export async function draftOf(
  contents: Pick<Contents.IManager, "get">,
  path: string,
): Promise<{ text: string; name: string }> {
  const found = await contents.get(path, { type: "file", format: "text", content: true });
  const text = String(found.content);
  return { text, name: /^["']?name["']?\s*:/m.test(text) ? "" : nameOf(path) };
}

function nameOf(path: string): string {
  const file = PathExt.basename(path);
  const stem = file.slice(0, file.length - PathExt.extname(file).length);
  const found = USUAL.test(stem) ? PathExt.basename(PathExt.dirname(path)) : stem;
  return found.replace(/[^A-Za-z0-9_.-]+/g, "-").replace(/^[-.]+|[-.]+$/g, "");
}
