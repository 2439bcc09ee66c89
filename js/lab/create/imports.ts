// Finds what a notebook's cells import.
import { STANDARD } from "./stdlib";

/** Cell magics whose cells hold Python all the same. */
const PYTHON_MAGICS = /^%%(?:time|timeit|capture|prun|memit|python3?|ipytest)\b.*\n?/;
const STRINGS = /("""|''')(?:\\[^]|(?!\1)[^])*\1|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|#[^\n]*/g;
const STATEMENT =
  /(?:^|[\n;:])[ \t]*(?:import[ \t]+([^\n;]+)|from[ \t]+([\p{L}\p{N}_.]+)[ \t]+import\b)/gu;
const LIBRARY =
  /\b(?:library|require|requireNamespace|loadNamespace)\(\s*["']?([A-Za-z][\w.]*)|\b([A-Za-z][\w.]*):::?[A-Za-z.]/g;
const BASE_OF_R =
  "base compiler datasets graphics grDevices grid methods parallel splines stats stats4 tcltk tools utils".split(
    " ",
  );

/** Modules of the top level that cells of Python import, sorted, without those that Python brings along. */
export function modulesOf(cells: readonly string[]): string[] {
  const found = new Set(cells.flatMap(modulesOfCell).filter((name) => !STANDARD.has(name)));
  return [...found].sort();
}

function modulesOfCell(cell: string): string[] {
  const source = cell.trimStart().replace(PYTHON_MAGICS, "");
  if (source.startsWith("%%")) return [];
  const code = source
    .replace(STRINGS, (text) => (text.startsWith("#") ? "" : '""'))
    .replace(/\\\n/g, " ");
  return [...code.matchAll(STATEMENT)].flatMap(([, imported, from]) =>
    (imported?.split(",") ?? [from ?? ""]).flatMap(first),
  );
}

/** The package of the top level; none of what is relative. */
function first(module: string): string[] {
  const found = /^\s*([\p{L}_][\p{L}\p{N}_]*)/u.exec(module)?.[1];
  return found && !found.startsWith("_") ? [found] : [];
}

/** Libraries that cells of R use, sorted, without those that R brings along. */
export function librariesOf(cells: readonly string[]): string[] {
  const found = new Set<string>();
  for (const cell of cells) {
    if (cell.trimStart().startsWith("%%")) continue;
    for (const [, library, package_] of cell.replace(/#[^\n]*/g, "").matchAll(LIBRARY))
      found.add(library ?? package_ ?? "");
  }
  return [...found].filter((name) => !BASE_OF_R.includes(name)).sort();
}
