// Builds the JupyterLab extension into conda_store_labextension/static: types away by tsc, the bundle by JupyterLab's own
// builder, which empties that folder first.
import { execFileSync } from "node:child_process";
import { cpSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const modules = join(root, "node_modules");
// On standard error alone: who builds a wheel wants to hear of faults and of nothing else.
const run = (program, ...options) =>
  execFileSync(process.execPath, [join(modules, program), ...options], {
    cwd: root,
    stdio: ["ignore", 2, 2],
  });

rmSync(join(root, "build", "js"), { recursive: true, force: true });
run("typescript/bin/tsc", "-p", "js/lab");
cpSync(join(root, "js/lab/style"), join(root, "build/js/lab/style"), { recursive: true });
const core = join(modules, "@jupyterlab/core-meta/core.package.json");
run("@jupyter/builder/lib/build-labextension.js", "--core-package-file", core, ".");
// Says which distribution brought it, and so how to remove it (JupyterLab: install.json).
cpSync(
  join(root, "js/lab/install.json"),
  join(root, "conda_store_labextension/static/install.json"),
);
