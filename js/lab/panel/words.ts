// How states, times and sizes are said to people.
import type { EnvironmentRow, Status } from "../shapes";

export const STATUS_WORDS: Record<Status, string> = {
  QUEUED: "Queued",
  BUILDING: "Building",
  COMPLETED: "Ready",
  FAILED: "Failed",
  CANCELED: "Canceled",
};

const STEPS: [number, string][] = [
  [365 * 86400, "y"],
  [30 * 86400, "mo"],
  [86400, "d"],
  [3600, "h"],
  [60, "min"],
];

/** Times of builds are UTC, and say so with no suffix. */
export const moment = (time: string): Date =>
  new Date(/(Z|[+-]\d\d:\d\d)$/.test(time) ? time : `${time}Z`);

/** How long ago `time` was, in a word that fits a narrow column. */
export function age(time: string, now: number = Date.now()): string {
  const seconds = (now - moment(time).getTime()) / 1000;
  for (const [step, unit] of STEPS)
    if (seconds >= step) return `${Math.floor(seconds / step)} ${unit}`;
  return "now";
}

export const date = (time: string): string => moment(time).toLocaleString();

/** Bytes in the largest unit that leaves a digit before the point. */
export function size(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  let rest = bytes;
  for (; rest >= 1000 && unit < units.length - 1; unit += 1) rest /= 1000;
  return `${rest < 10 && unit > 1 ? rest.toFixed(1) : Math.round(rest)} ${units[unit]}`;
}

/** Bytes of an environment that has been built, else nothing. */
export const sizeOf = (row: { status: Status; size: number }): string =>
  row.status === "COMPLETED" && row.size > 0 ? size(row.size) : "";

export const count = (number: number, one: string, many = `${one}s`): string =>
  `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

/** All of it in words, for those who hear the panel, and as the title of what is cut off. */
export function described(row: EnvironmentRow): string {
  const words = [STATUS_WORDS[row.status]];
  if (row.newest_id !== row.build_id) {
    const newest = STATUS_WORDS[row.newest_status].toLowerCase();
    words.push(`newest build ${row.newest_id} ${newest}`);
  }
  words.push(`built ${age(row.scheduled_on)} ago`, sizeOf(row));
  return words.filter(Boolean).join(", ");
}
