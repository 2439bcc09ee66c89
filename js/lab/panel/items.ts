// The rows that the panel shows: pure functions of the environments and of what the reader typed, chose and folded.
import { isRunning, key } from "../model";
import type { EnvironmentRow } from "../shapes";

export type StatusFilter = "all" | "ready" | "running" | "failed";

/** What the list is made from. */
export interface Wanted {
  search: string;
  status: StatusFilter;
  /** Namespaces that are folded; nothing is folded while one searches. */
  folded: ReadonlySet<string>;
  /** Environments that hold a package of the name that is searched. */
  holders: ReadonlySet<string>;
}

export type Item =
  | { kind: "namespace"; key: string; namespace: string; count: number; folded: boolean }
  | { kind: "environment"; key: string; row: EnvironmentRow; byPackage: boolean };

const hasStatus = (row: EnvironmentRow, status: StatusFilter): boolean => {
  if (status === "ready") return row.status === "COMPLETED";
  if (status === "running") return isRunning(row.newest_status);
  if (status === "failed")
    return row.newest_status === "FAILED" || row.newest_status === "CANCELED";
  return true;
};

/** Every word is part of `namespace/name`. */
export const matches = (row: EnvironmentRow, words: string[]): boolean => {
  const name = key(row).toLowerCase();
  return words.every((word) => name.includes(word));
};

export const wordsOf = (search: string): string[] =>
  search.toLowerCase().split(/\s+/).filter(Boolean);

/** Namespaces by name, each with its environments by name below. */
export function itemsOf(rows: readonly EnvironmentRow[], wanted: Wanted): Item[] {
  const words = wordsOf(wanted.search);
  const groups = new Map<string, Item[]>();
  for (const row of rows) {
    const named = matches(row, words);
    if (!(named || wanted.holders.has(key(row))) || !hasStatus(row, wanted.status)) continue;
    const group = groups.get(row.namespace) ?? [];
    if (group.length === 0) groups.set(row.namespace, group);
    group.push({ kind: "environment", key: key(row), row, byPackage: !named });
  }
  const items: Item[] = [];
  for (const [namespace, group] of [...groups].sort(([one], [two]) => compare(one, two))) {
    const folded = words.length === 0 && wanted.folded.has(namespace);
    // No environment's key ends so: names are not empty.
    items.push({ kind: "namespace", key: `${namespace}/`, namespace, count: group.length, folded });
    if (!folded) for (const item of group.sort(byKey)) items.push(item);
  }
  return items;
}

const byKey = (one: Item, two: Item): number => compare(one.key, two.key);

// Names are ASCII in all but hostile hands, and localeCompare of thousands takes longer than all the rest.
const compare = (one: string, two: string): number => (one < two ? -1 : one > two ? 1 : 0);
