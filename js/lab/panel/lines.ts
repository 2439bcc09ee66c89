// What differs between two builds, as lines of a table.
import type { Difference, PackageVersion } from "./requests";

export interface Line {
  name: string;
  kind: "added" | "removed" | "changed";
  before: string;
  after: string;
}

const short = ({ version, build }: PackageVersion): string => `${version} ${build}`;

const version = ({ version, build, channel }: PackageVersion): string =>
  `${version} ${build} (${channel})`;

const text = (value: unknown): string =>
  typeof value === "string" ? value : JSON.stringify(value, null, 1);

const added = (name: string, after: string): Line => ({ name, kind: "added", before: "", after });
const removed = (name: string, before: string): Line => ({
  name,
  kind: "removed",
  before,
  after: "",
});
const changed = (name: string, before: string, after: string): Line => ({
  name,
  kind: "changed",
  before,
  after,
});

const byName = (lines: Line[]): Line[] => lines.sort((a, b) => (a.name < b.name ? -1 : 1));

export const packageLines = (found: Difference["packages"]): Line[] =>
  byName([
    ...found.added.map((one) => added(one.name, version(one))),
    ...found.removed.map((one) => removed(one.name, version(one))),
    ...found.changed.map(({ name, before, after }) => {
      // A channel is told where it is another one.
      const shown = before.channel === after.channel ? short : version;
      return changed(name, shown(before), shown(after));
    }),
  ]);

export const specificationLines = (found: Difference["specification"]): Line[] =>
  byName([
    ...found.added.map((one) => added(one.name, text(one.value))),
    ...found.removed.map((one) => removed(one.name, text(one.value))),
    ...found.changed.map((one) => changed(one.name, text(one.before), text(one.after))),
  ]);
