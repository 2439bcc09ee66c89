// Bundles what the pages need into conda_store/static: styles by sass, scripts by esbuild. No address outside is in it.
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import * as sass from "sass";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const source = join(root, "js", "pages");
const target = join(root, "conda_store", "static");

rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
const styles = sass.compile(join(source, "style.scss"), {
  style: "compressed",
  loadPaths: [join(root, "node_modules")],
  quietDeps: true,
  silenceDeprecations: ["import"], // Bootstrap 5 is written for it.
});
writeFileSync(join(target, "style.css"), styles.css);
copyFileSync(join(source, "icon.svg"), join(target, "icon.svg"));
await build({
  entryPoints: ["pages.ts", "build.ts", "create.ts"].map((name) => join(source, name)),
  outdir: target,
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  legalComments: "eof", // The licences of what is inside travel with it.
  logLevel: "warning",
});
