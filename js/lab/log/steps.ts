// What can be done with a build that goes on or has ended.
import { showErrorMessage } from "@jupyterlab/apputils";
import type { CommandRegistry } from "@lumino/commands";
import { CommandIDs, type ICondaStore } from "../tokens";
import type { BuildModel } from "./build";
import type { Step } from "./head";

const NEW_NOTEBOOK = "notebook:create-new";

/** What steps are made with. */
export interface Means {
  commands: CommandRegistry;
  store: ICondaStore;
  /** Whether a notebook is open that could run in the build. */
  hasNotebook: () => boolean;
  /** Of a build, once Jupyter knows it; null when it holds none. */
  kernelOf: (build: number) => Promise<string | null>;
  namespace: string;
}

export function stepsOf(build: BuildModel, means: Means): Step[] {
  if (build.isRunning) return [cancel(build)];
  if (build.status === "COMPLETED") return ready(build, means);
  return build.status === null ? [] : [edit(build, means), rebuild(build, means)];
}

function cancel(build: BuildModel): Step {
  const run = attempt("The build was not canceled", () => build.cancel());
  return { label: "Cancel Build", caption: "End this build", run };
}

function ready(build: BuildModel, means: Means): Step[] {
  const { commands } = means;
  const steps: Step[] = [];
  const args = { build: build.id };
  if (commands.hasCommand(NEW_NOTEBOOK))
    steps.push({
      label: "New Notebook",
      caption: "Open a notebook that runs in this environment",
      isFirst: true,
      run: attempt("No notebook was opened", () => newNotebook(build, means)),
    });
  if (means.hasNotebook())
    steps.push({
      label: "Use in Current Notebook",
      caption: "Run the current notebook in this very build from now on",
      run: () => void commands.execute(CommandIDs.pin, args),
    });
  if (commands.hasCommand(CommandIDs.copyImage))
    steps.push({
      label: "Copy docker run",
      caption: "Copy the command that runs this environment as a container",
      run: () => void commands.execute(CommandIDs.copyImage, { ...args, how: "run", by: "tag" }),
    });
  return steps;
}

async function newNotebook(build: BuildModel, means: Means): Promise<void> {
  const kernelName = await means.kernelOf(build.id);
  if (!kernelName)
    throw new Error("It holds no kernel: add ipykernel (or r-irkernel) to its packages.");
  await means.commands.execute(NEW_NOTEBOOK, { kernelName });
}

function edit(build: BuildModel, means: Means): Step {
  const run = attempt("The specification cannot be had", async () => {
    const answer = await build.api.fetch(`api/v1/build/${build.id}/yaml/`);
    const text = await answer.text();
    const { namespace } = means;
    const name = build.build?.specification?.name ?? "";
    await means.commands.execute(CommandIDs.create, { text, namespace, name });
  });
  return { label: "Edit and Build Again…", caption: "Open its specification", isFirst: true, run };
}

function rebuild(build: BuildModel, { store, commands }: Means): Step {
  const run = attempt("Nothing was built", async () => {
    const path = `api/v1/build/${build.id}/`;
    const made = await store.api.send<{ build_id: number }>("PUT", path);
    await commands.execute(CommandIDs.log, { build: made.build_id });
  });
  return { label: "Rebuild", caption: "Build the same again", run };
}

/** Do it, and show what goes wrong. */
const attempt = (failed: string, act: () => Promise<unknown>) => (): void => {
  act().catch((error: Error) => showErrorMessage(failed, error));
};
