// The log of a build on its page.
import { LogView } from "../shared/log";
import { place } from "./place";

const log = place("log");
const follow = place<HTMLInputElement>("follow");
const search = place<HTMLInputElement>("find");
const view = new LogView(
  { log, found: place("found"), earlier: place("earlier") },
  (isFollowing) => (follow.checked = isFollowing),
);

/** Take one more line. */
export const add = (line: string): void => view.add(line);

view.follow(follow.checked);
search.addEventListener("input", () => view.search(search.value));
place<HTMLInputElement>("wrap").addEventListener("change", (event) =>
  log.classList.toggle("wrapped", (event.target as HTMLInputElement).checked),
);
follow.addEventListener("change", () => view.follow(follow.checked));
