import { beforeEach, expect, test, vi } from "vitest";
import { LogView, type Places } from "../../shared/log";

let places: Places;
let view: LogView;
let told: boolean[];

beforeEach(() => {
  const make = () => document.createElement("div");
  places = { log: make(), found: make(), earlier: make() };
  told = [];
  view = new LogView(places, (isFollowing) => told.push(isFollowing));
});

/** The next drawing of the browser has been. */
const drawn = () => new Promise((resolve) => requestAnimationFrame(resolve));
const shown = () => (places.log.textContent ?? "").split("\n").slice(0, -1);

test("lines that come together are one change of the page", async () => {
  const append = vi.spyOn(places.log, "append");
  for (let number = 0; number < 1000; number++) view.add(`line ${number}`);
  await drawn();
  expect(append).toHaveBeenCalledTimes(1);
  expect(shown()).toHaveLength(1000);
});

test("of a hundred thousand lines the last are shown, search finds the others", async () => {
  for (let number = 0; number < 100_000; number++) view.add(`line ${number}`);
  await drawn();
  expect(shown().length).toBe(5000);
  expect(shown().at(-1)).toBe("line 99999");
  expect(places.earlier.textContent).toContain("95,000 earlier lines");
  view.search("LINE 4242");
  expect(shown()).toEqual(["line 4242", ...Array.from({ length: 10 }, (_, n) => `line 4242${n}`)]);
  expect(places.found.textContent).toBe("11 of 100000 lines");
  view.search("");
  expect(shown().length).toBe(5000);
});

test("of very long lines fewer are shown", async () => {
  for (let number = 0; number < 1000; number++) view.add("x".repeat(10_000));
  await drawn();
  expect(shown()).toHaveLength(400);
  for (let number = 0; number < 100; number++) view.add("y".repeat(10_000));
  await drawn();
  expect(shown().length).toBeLessThanOrEqual(400);
  expect(shown().at(-1)).toMatch(/^y+$/);
});

test("whoever scrolls back is not pulled to the end", async () => {
  const size = { clientHeight: 100, scrollHeight: 1000 };
  for (const [name, value] of Object.entries(size))
    Object.defineProperty(places.log, name, { value, configurable: true });
  view.add("one");
  await drawn();
  expect(places.log.scrollTop).toBe(1000);
  places.log.scrollTop = 100;
  places.log.dispatchEvent(new Event("scroll"));
  expect(told).toEqual([false]);
  view.add("two");
  await drawn();
  expect(places.log.scrollTop).toBe(100);
  view.follow(true);
  expect(places.log.scrollTop).toBe(1000);
});
