import type { ISessionContext } from "@jupyterlab/apputils";
import type { NotebookPanel } from "@jupyterlab/notebook";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { followed, kernelOf, pinnedBuild, type Specs } from "../kernels/names";
import { METADATA, Pins } from "../kernels/pin";
import { KernelRefresh } from "../kernels/refresh";
import { EnvironmentsModel } from "../model";
import { FakeServer, refused, row } from "./fake";

const NAME = "conda-store-data-course";
const PINNED = `${NAME}-build-7`;

let server: FakeServer;
let model: EnvironmentsModel;

beforeEach(() => {
  server = new FakeServer();
  model = new EnvironmentsModel(server.api, 1000);
});

afterEach(() => model.dispose());

/** Kernels as Jupyter tells them from the `late`th time on that it is asked. */
function kernels(builds: Record<string, number>, late = 1): Specs & { rounds: number } {
  const spec = (build: number) => ({
    metadata: {
      "conda-store": { namespace: "data", environment: "course", build, digest: "sha256:0" },
    },
  });
  const found = {
    rounds: 0,
    specs: { default: "", kernelspecs: {} } as unknown as Specs["specs"],
    refreshSpecs: () => {
      const all = Object.entries(builds).map(([name, build]) => [name, spec(build)]);
      const told = { default: "", kernelspecs: Object.fromEntries(all) as object };
      if (++found.rounds >= late) found.specs = told as Specs["specs"];
      return Promise.resolve();
    },
  };
  return found;
}

function notebook(name: string): NotebookPanel & { kept: Record<string, unknown>; used: string } {
  const kept: Record<string, unknown> = {};
  const panel = {
    kept,
    used: name,
    sessionContext: {
      session: { kernel: { name } },
      kernelPreference: { name },
      changeKernel: (model: { name: string }) => Promise.resolve((panel.used = model.name)),
    },
    content: {
      model: {
        setMetadata: (key: string, value: unknown) => (kept[key] = value),
        deleteMetadata: (key: string) => delete kept[key],
      },
    },
  };
  return panel as unknown as ReturnType<typeof notebook>;
}

test.each([
  [PINNED, 7],
  [NAME, 0],
  ["python3-build-7", 0],
  ["conda-store-data-build-0", 0],
  ["conda-store-a_2db-x-ir-build-12", 12],
])("%s is pinned to build %i", (name, build) => {
  expect(pinnedBuild(name)).toBe(build);
  if (build) expect(followed(name)).not.toContain("-build-");
});

test("a new current build is looked for until Jupyter offers it", async () => {
  const specs = kernels({ [NAME]: 2 }, 3);
  new KernelRefresh(model, specs, 1);
  server.overview({ environments: [row({ status: "BUILDING", newest_id: 2 })] });
  await model.refresh();
  expect(specs.rounds).toBe(0);
  server.overview({ environments: [row({ build_id: 2, newest_id: 2 })] });
  await model.refresh();
  await vi.waitFor(() => expect(specs.rounds).toBe(3));
});

test("an environment that is gone is looked for once, and nothing is while nothing changes", async () => {
  const specs = kernels({ [NAME]: 1 });
  new KernelRefresh(model, specs, 1);
  server.overview({ environments: [row()] });
  await model.refresh();
  await vi.waitFor(() => expect(specs.rounds).toBe(1));
  await model.refresh();
  server.overview({ environments: [] });
  await model.refresh();
  await vi.waitFor(() => expect(specs.rounds).toBe(2));
});

test("a notebook is pinned to a build, and says so in its metadata", async () => {
  server.on("POST pins/", () => Response.json({ kernel_name: PINNED }, { status: 201 }));
  const panel = notebook(NAME);
  await new Pins(server.api, kernels({ [PINNED]: 7 }), 1).pin(panel, 7);
  expect(server.calls("POST pins/")[0]?.body).toEqual({ build: 7 });
  expect(panel.used).toBe(PINNED);
  const kept = { namespace: "data", environment: "course", build: 7, digest: "sha256:0" };
  expect(panel.kept[METADATA]).toEqual(kept);
});

test("a build without a kernel changes nothing of the notebook", async () => {
  server.on("POST pins/", () => Response.json({ kernel_name: PINNED }, { status: 201 }));
  const panel = notebook(NAME);
  const pinned = new Pins(server.api, kernels({}), 1).pin(panel, 7);
  await expect(pinned).rejects.toThrow("does not offer the kernel");
  expect([panel.used, panel.kept]).toEqual([NAME, {}]);
});

test("an unpinned notebook runs in the current build", async () => {
  const panel = notebook(PINNED);
  panel.kept[METADATA] = { build: 7 };
  await new Pins(server.api, kernels({ [NAME]: 8 }), 1).unpin(panel);
  expect([panel.used, panel.kept]).toEqual([NAME, {}]);
});

function opening(name: string): { context: ISessionContext; order: string[] } {
  const order: string[] = [];
  const start = () => Promise.resolve(Boolean(order.push("start")));
  const context = { kernelPreference: { name }, initialize: start };
  return { context: context as unknown as ISessionContext, order };
}

test("a notebook that was pinned elsewhere gets its kernel before it starts", async () => {
  const { context, order } = opening(PINNED);
  server.on("POST pins/", () => {
    order.push("pin");
    return Response.json({ kernel_name: PINNED }, { status: 201 });
  });
  new Pins(server.api, kernels({ [PINNED]: 7 }), 1).prepare(context, () => undefined);
  await context.initialize();
  expect(order).toEqual(["pin", "start"]);
});

test("other notebooks ask nobody, and a pin that is refused is told", async () => {
  const failed = vi.fn();
  const pins = new Pins(server.api, kernels({}), 1);
  const other = opening("python3");
  pins.prepare(other.context, failed);
  await other.context.initialize();
  expect([other.order, server.asked.length]).toEqual([["start"], 0]);
  server.on("POST pins/", () => refused(404, "There is no build 7."));
  const gone = opening(PINNED);
  pins.prepare(gone.context, failed);
  await gone.context.initialize();
  expect(gone.order).toEqual(["start"]);
  expect(failed).toHaveBeenCalledWith(expect.objectContaining({ message: "There is no build 7." }));
});

test("the kernel of a build; an administrator's no is told", async () => {
  const enabled = (is: boolean) => () => Response.json({ enabled: is, kernels: [] });
  expect(await kernelOf(server.api, kernels({ [NAME]: 2 }), 2, 1)).toBe(NAME);
  server.on("GET kernels/", enabled(true));
  expect(await kernelOf(server.api, kernels({ [NAME]: 2 }), 3, 1)).toBeNull();
  server.on("GET kernels/", enabled(false));
  await expect(kernelOf(server.api, kernels({}), 3, 1)).rejects.toThrow("switched it off");
});
