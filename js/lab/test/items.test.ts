import { expect, test } from "vitest";
import { type Item, itemsOf, type Wanted } from "../panel/items";
import { row } from "./fake";

const all: Wanted = { search: "", status: "all", folded: new Set(), holders: new Set() };
const keys = (items: Item[]): string[] => items.map((item) => item.key);

const rows = [
  row({ namespace: "lab", name: "torch" }),
  row({ namespace: "data", name: "course", newest_id: 2, newest_status: "FAILED" }),
  row({ namespace: "data", name: "Basics", status: "BUILDING", newest_status: "BUILDING" }),
];

test("environments stand below their namespaces, by name", () => {
  expect(keys(itemsOf(rows, all))).toEqual([
    "data/",
    "data/Basics",
    "data/course",
    "lab/",
    "lab/torch",
  ]);
});

test("a folded namespace shows its head and how much is below, but not while one searches", () => {
  const folded = new Set(["data"]);
  const items = itemsOf(rows, { ...all, folded });
  expect(keys(items)).toEqual(["data/", "lab/", "lab/torch"]);
  expect(items[0]).toMatchObject({ count: 2, folded: true });
  expect(keys(itemsOf(rows, { ...all, folded, search: "cour" }))).toEqual(["data/", "data/course"]);
});

test("each word of a search may be part of a namespace or of a name, in any case", () => {
  const found = (search: string): string[] => keys(itemsOf(rows, { ...all, search }));
  expect(found("DATA bas")).toEqual(["data/", "data/Basics"]);
  expect(found("data/co")).toEqual(["data/", "data/course"]);
  expect(found("nothing")).toEqual([]);
});

test("an environment that holds the package is found, too, and marked", () => {
  const items = itemsOf(rows, { ...all, search: "numpy", holders: new Set(["lab/torch"]) });
  expect(items.map((item) => item.kind === "environment" && item.byPackage)).toEqual([false, true]);
});

test("states narrow the list: what runs and what failed is told by the newest build", () => {
  const having = (status: Wanted["status"]): string[] =>
    keys(itemsOf(rows, { ...all, status })).filter((key) => !key.endsWith("/"));
  expect(having("ready")).toEqual(["data/course", "lab/torch"]);
  expect(having("running")).toEqual(["data/Basics"]);
  expect(having("failed")).toEqual(["data/course"]);
});
