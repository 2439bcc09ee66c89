// "New environment from this kernel's imports…": a specification with the packages that a notebook imports.
import { PathExt } from "@jupyterlab/coreutils";
import type { NotebookPanel } from "@jupyterlab/notebook";
import type { CondaStoreApi } from "../api";
import type { Page } from "../shapes";
import { librariesOf, modulesOf } from "./imports";
import { candidates, packageOfLibrary, wellKnown } from "./names";

/** What is read of a notebook. */
export interface Read {
  /** Sources of its code cells. */
  cells: string[];
  language: string;
  /** Of the language; "" when no kernel has said it yet. */
  version: string;
  path: string;
}

export function read({ content, context }: NotebookPanel): Read {
  const cells = [...(content.model?.sharedModel.cells ?? [])];
  const info = content.model?.getMetadata("language_info") as { version?: string } | undefined;
  return {
    cells: cells.filter((one) => one.cell_type === "code").map((one) => one.getSource()),
    language: content.model?.defaultKernelLanguage ?? "",
    version: info?.version ?? "",
    path: context.path,
  };
}

/** A package, or null where the server knows none of a module's name. */
interface Found {
  module: string;
  package: string | null;
}

export const draftOfNotebook = (
  api: CondaStoreApi,
  notebook: NotebookPanel,
): Promise<{ text: string; name: string }> => draftOfImports(api, read(notebook));

/** The values of the form for a notebook. */
export async function draftOfImports(
  api: CondaStoreApi,
  notebook: Read,
): Promise<{ text: string; name: string }> {
  const isR = notebook.language.toLowerCase() === "r";
  const wanted = isR
    ? librariesOf(notebook.cells).map((one) => ({ module: one, names: [packageOfLibrary(one)] }))
    : modulesOf(notebook.cells).map((one) => ({ module: one, names: candidates(one) }));
  const found = await Promise.all(wanted.map(({ module, names }) => lookUp(api, module, names)));
  const base = isR ? ["r-base", "r-irkernel"] : [withVersion(notebook.version), "ipykernel"];
  const file = PathExt.basename(notebook.path, PathExt.extname(notebook.path));
  const name = file.replace(/[^A-Za-z0-9_-]+/g, "-").replace(/^-+|-+$/g, "");
  return { text: specification(base, found), name };
}

/** Minor versions of Python are what packages are built for. */
function withVersion(version: string): string {
  const minor = /^3\.\d+/.exec(version)?.[0];
  return minor ? `python=${minor}` : "python";
}

/** The first of `names` that the server knows; the likeliest one when it cannot be asked. A server knows no more than
 * what it has built with: of what is well known it is not asked. */
async function lookUp(api: CondaStoreApi, module: string, names: string[]): Promise<Found> {
  const known = wellKnown(module);
  if (known) return { module, package: known };
  try {
    for (const name of names) {
      const path = `api/v1/package/?exact=${encodeURIComponent(name)}&size=1`;
      const { count } = await api.json<Page<unknown>>(path);
      if (count > 0) return { module, package: name };
    }
    return { module, package: null };
  } catch {
    return { module, package: names[0] ?? module };
  }
}

function specification(base: string[], found: Found[]): string {
  const known = found.flatMap((one) => one.package ?? []);
  const names = [...base, ...new Set(known)].map((name) => `  - ${name}\n`);
  const unknown = found.filter((one) => one.package === null).map((one) => `  # - ${one.module}\n`);
  const why = unknown.length
    ? "  # Imported, but no package of this name is known here. Name the packages they come from:\n"
    : "";
  return `dependencies:\n${names.join("")}${why}${unknown.join("")}`;
}
