// How builds are called as kernels, and waiting until Jupyter knows them.
import type { KernelSpec } from "@jupyterlab/services";
import type { CondaStoreApi } from "../api";

/** An environment as a kernel, as its specification says (`metadata`, "conda-store"). */
export interface KernelBuild {
  namespace: string;
  environment: string;
  build: number;
  digest: string | null;
}

/** A row of `kernels/`. */
export interface KernelRow extends KernelBuild {
  kernel_name: string;
  display_name: string;
  pinned: boolean;
  current: boolean;
}

export type Specs = Pick<KernelSpec.IManager, "specs" | "refreshSpecs">;

const TRIES = 5;
const PAUSE = 1500;

/** The build that a kernel is of; undefined when it is none of conda-store. */
export function buildOf(specs: Specs, kernel: string): KernelBuild | undefined {
  return specs.specs?.kernelspecs[kernel]?.metadata?.["conda-store"] as KernelBuild | undefined;
}

/** The build whose number ends the name of a pinned kernel; 0 when it is none. */
export function pinnedBuild(kernel: string): number {
  return Number(/^conda-store-.+-build-([1-9]\d*)$/.exec(kernel)?.[1] ?? 0);
}

/** The name of the kernel that follows the environment of a pinned one. */
export const followed = (kernel: string): string => kernel.replace(/-build-[1-9]\d*$/, "");

/** Ask Jupyter for kernels until it has those that `isThere` wants: its server looks at conda-store now and then. */
export async function refreshUntil(
  specs: Specs,
  isThere: () => boolean,
  pause = PAUSE,
): Promise<boolean> {
  for (let tries = 0; tries < TRIES; tries++) {
    if (tries) await new Promise((resolve) => setTimeout(resolve, pause));
    await specs.refreshSpecs();
    if (isThere()) return true;
  }
  return false;
}

/** The kernel of a build, known to Jupyter by now; null when it holds none. A build that is not current is pinned. */
export async function kernelOf(
  api: CondaStoreApi,
  specs: Specs,
  build: number,
  pause = PAUSE,
): Promise<string | null> {
  const named = () =>
    Object.keys(specs.specs?.kernelspecs ?? {}).find((one) => buildOf(specs, one)?.build === build);
  if (await refreshUntil(specs, () => named() !== undefined, pause)) return named() ?? null;
  const { enabled } = await api.json<{ enabled: boolean }>("kernels/");
  if (!enabled)
    throw new Error("Environments are no kernels here: an administrator switched it off.");
  return null;
}
