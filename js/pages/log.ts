// The log of a build: what of it is on the page, search, and following its end.
import { place } from "./place";

const log = place("log");
const follow = place<HTMLInputElement>("follow");
const search = place<HTMLInputElement>("find");
const found = place("found");
const earlier = place("earlier");

/** Lines on the page at most, and while somebody reads further up, whom nothing may be taken from. */
const MOST_SHOWN = 5000;
const MOST_READ = 20000;

const lines: string[] = [];
/** What the page shows, oldest first: a text for each batch that came, with its number of lines. */
let shown: { text: Text; count: number }[] = [];
let matches = 0;
let waiting: string[] = [];

const matching = (from: string[], wanted: string): string[] =>
  wanted ? from.filter((line) => line.toLowerCase().includes(wanted)) : from;

/** A thousand lines that arrive at once are one change of the page, and never is more on it than a browser takes. */
function show(): void {
  const fresh = matching(waiting, search.value.toLowerCase());
  waiting = [];
  matches += fresh.length;
  append(fresh.slice(-MOST_SHOWN));
  tell();
  if (follow.checked) log.scrollTop = log.scrollHeight;
}

function append(fresh: string[]): void {
  if (!fresh.length) return;
  const text = document.createTextNode(fresh.map((line) => `${line}\n`).join(""));
  log.append(text);
  shown.push({ text, count: fresh.length });
  const most = follow.checked ? MOST_SHOWN : MOST_READ;
  let count = shown.reduce((sum, one) => sum + one.count, 0);
  let first = shown[0];
  while (first && count - first.count >= most) {
    first.text.remove();
    shown.shift();
    count -= first.count;
    first = shown[0];
  }
}

function tell(): void {
  const count = shown.reduce((sum, one) => sum + one.count, 0);
  found.textContent = search.value ? `${matches} of ${lines.length} lines` : "";
  earlier.hidden = count === matches;
  const missing = (matches - count).toLocaleString("en");
  earlier.textContent = `${missing} earlier lines are not shown here: search finds them, and the download has them all.`;
}

function filter(): void {
  const all = matching(lines, search.value.toLowerCase());
  waiting = [];
  shown = [];
  matches = all.length;
  log.replaceChildren();
  append(all.slice(-MOST_SHOWN));
  tell();
  if (follow.checked) log.scrollTop = log.scrollHeight;
}

/** Take one more line. */
export function add(line: string): void {
  lines.push(line);
  if (waiting.push(line) === 1) requestAnimationFrame(show);
}

search.addEventListener("input", filter);
place<HTMLInputElement>("wrap").addEventListener("change", (event) =>
  log.classList.toggle("wrapped", (event.target as HTMLInputElement).checked),
);
follow.addEventListener("change", () => {
  if (follow.checked) log.scrollTop = log.scrollHeight;
});
// Whoever scrolls back wants to read, and whoever comes to the end wants to follow.
log.addEventListener("scroll", () => {
  follow.checked = log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
});
