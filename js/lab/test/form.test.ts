import { afterEach, expect, test, vi } from "vitest";
import { SpecificationForm } from "../create/form";
import type { Draft } from "../create/drafts";
import { FakeServer, refused } from "./fake";

const CHECK = "POST api/v1/specification/check/";
const SOLVE = "POST api/v1/specification/solve/";
const CREATE = "POST api/v1/specification/";
const clean = { name: "course", problems: [], warnings: [] };

let form: SpecificationForm;
afterEach(() => form.dispose());

function written(server: FakeServer, draft: Partial<Draft>): SpecificationForm {
  form = new SpecificationForm(server.api, { namespace: "ana", ...draft }, 0);
  return form;
}

test("what is typed is checked where it would go, mistakes before warnings", async () => {
  const problems = [{ message: "no list", line: 3, column: 1 }];
  const warnings = [{ message: "old channel", line: 2, column: 1 }];
  const server = new FakeServer().on(CHECK, () => ({ name: "course", problems, warnings }));
  written(server, { text: "name: course\n", name: " course " });
  await vi.waitFor(() => expect(form.problems).toHaveLength(2));
  expect(form.problems.map((one) => one.is_warning ?? false)).toEqual([false, true]);
  expect(form.nameInFile).toBe("course");
  expect(server.calls(CHECK)[0]?.body).toEqual({
    specification: "name: course\n",
    namespace: "ana",
    environment_name: "course",
  });
});

test("an empty file is no mistake, and nobody is asked about it", async () => {
  const server = new FakeServer();
  written(server, { text: "x" });
  form.set({ text: " \n" });
  await vi.waitFor(() => expect(form.away).toBe(""));
  expect(form.problems).toEqual([]);
  expect(server.calls(CHECK)).toEqual([]);
});

test("an answer that comes late says nothing of what was typed since", async () => {
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  const server = new FakeServer().on(CHECK, async ({ body }) => {
    const { specification } = body as { specification: string };
    if (specification === "first") await held;
    return { ...clean, problems: [{ message: specification }] };
  });
  written(server, { text: "first" });
  await vi.waitFor(() => expect(server.calls(CHECK)).toHaveLength(1));
  form.set({ text: "second" });
  await vi.waitFor(() => expect(form.problems).toEqual([{ message: "second" }]));
  release();
  await held;
  await Promise.resolve();
  expect(form.problems).toEqual([{ message: "second" }]);
});

test("while conda-store is away what was typed stays, and it is tried again by itself", async () => {
  vi.useFakeTimers();
  try {
    const server = new FakeServer().on(CHECK, () => clean);
    server.isAway = true;
    written(server, { text: "name: course" });
    await vi.waitFor(() => expect(form.away).toBe("No way to conda-store."));
    server.isAway = false;
    await vi.advanceTimersByTimeAsync(5000);
    await vi.waitFor(() => expect(form.away).toBe(""));
    expect(form.values.text).toBe("name: course");
  } finally {
    vi.useRealTimers();
  }
});

test("Check tells what would be installed, and is old once the text has changed", async () => {
  const packages = [{ name: "numpy", version: "2", build: "0", size: 1 }];
  const server = new FakeServer().on(CHECK, () => clean).on(SOLVE, () => ({ solve: packages }));
  written(server, { text: "name: course" });
  await form.solve();
  expect(form.outcome).toEqual({ kind: "solution", packages });
  expect(form.isOld).toBe(false);
  form.set({ text: "name: other" });
  expect(form.isOld).toBe(true);
});

test("nothing is solved while something is wrong", async () => {
  const problems = [{ message: "no list", line: 1 }];
  const server = new FakeServer().on(CHECK, () => ({ ...clean, problems }));
  written(server, { text: "name: course" });
  await form.solve();
  expect(form.outcome).toMatchObject({ kind: "refusal", again: null });
  expect(server.calls(SOLVE)).toEqual([]);
});

test("why nothing fits is told", async () => {
  const server = new FakeServer()
    .on(CHECK, () => clean)
    .on(SOLVE, () => refused(400, "numpy 99 is in no channel", "unsolvable"));
  written(server, { text: "name: course" });
  await form.solve();
  expect(form.outcome).toMatchObject({ message: "numpy 99 is in no channel", again: null });
});

test("Create starts a build; when the server is away it can be tried again with the same text", async () => {
  const server = new FakeServer().on(CHECK, () => clean).on(CREATE, () => ({ build_id: 7 }));
  const started: number[] = [];
  server.api.started.connect((_, build) => started.push(build));
  written(server, { text: "name: course", description: "for all" });
  server.isAway = true;
  expect(await form.create()).toBeNull();
  expect(form.outcome).toMatchObject({ kind: "refusal", again: "create" });
  expect(form.outcome).toHaveProperty("message", expect.stringContaining("kept") as string);
  server.isAway = false;
  expect(await form.create()).toEqual({ build_id: 7 });
  expect(started).toEqual([7]);
  const sent = {
    specification: "name: course",
    namespace: "ana",
    environment_description: "for all",
  };
  expect(server.calls(CREATE).at(-1)?.body).toEqual(sent);
});

test("one click more does not start another build", async () => {
  const server = new FakeServer().on(CHECK, () => clean).on(CREATE, () => ({ build_id: 7 }));
  written(server, { text: "name: course" });
  const [first, second] = await Promise.all([form.create(), form.create()]);
  expect([first?.build_id, second]).toEqual([7, null]);
  expect(server.calls(CREATE)).toHaveLength(1);
});
