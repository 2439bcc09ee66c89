// Follows a build. After a break the browser comes back by itself and says which event it has seen last.
export {};

interface Progress {
  stage: string;
  done?: number;
  total?: number;
  note?: string;
  summary?: string;
  seconds?: number;
}
interface Ended {
  status: string;
  status_info: string | null;
}
interface Artifact {
  artifact_type: string;
  state: string;
  reason?: string | null;
  size?: number;
}

function place<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`This page has no #${id}.`);
  return found as T;
}

const log = place("log");
const status = place("status");
const reason = place("reason");
const artifacts = place("artifacts");
const follow = place<HTMLInputElement>("follow");
const search = place<HTMLInputElement>("find");
const running = status.dataset["status"] ?? "";
const lines: string[] = [];
let waiting: string[] = [];

// A thousand lines that arrive at once are one change of the page.
function show(): void {
  const wanted = search.value.toLowerCase();
  const fresh = wanted ? waiting.filter((line) => line.toLowerCase().includes(wanted)) : waiting;
  waiting = [];
  if (fresh.length) log.append(fresh.map((line) => `${line}\n`).join(""));
  if (follow.checked) log.scrollTop = log.scrollHeight;
}

function add(line: string): void {
  lines.push(line);
  if (waiting.push(line) === 1) requestAnimationFrame(show);
}

function filter(): void {
  const wanted = search.value.toLowerCase();
  const found = wanted ? lines.filter((line) => line.toLowerCase().includes(wanted)) : lines;
  log.textContent = found.map((line) => `${line}\n`).join("");
  place("found").textContent = wanted ? `${found.length} of ${lines.length} lines` : "";
  waiting = [];
  if (follow.checked) log.scrollTop = log.scrollHeight;
}

search.addEventListener("input", filter);
place<HTMLInputElement>("wrap").addEventListener("change", (event) =>
  log.classList.toggle("wrapped", (event.target as HTMLInputElement).checked),
);
// Whoever scrolls back wants to read, and whoever comes to the end wants to follow.
log.addEventListener("scroll", () => {
  follow.checked = log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
});

const stages = new Map<string, HTMLElement>();

function stageRow(stage: string): HTMLElement {
  let row = stages.get(stage);
  if (!row) {
    row = document.createElement("div");
    row.append(document.createElement("span"), document.createElement("progress"));
    stages.set(stage, row);
    place("progress").append(row);
  }
  return row;
}

function showProgress(data: Progress): void {
  if (data.seconds !== undefined) {
    stages.get(data.stage)?.remove();
    stages.delete(data.stage);
    return;
  }
  const row = stageRow(data.stage);
  const bar = row.querySelector("progress");
  const words = row.querySelector("span");
  if (bar && data.total) bar.max = data.total;
  if (bar && data.done !== undefined && bar.hasAttribute("max")) bar.value = data.done;
  if (words) words.textContent = data.note ? `${data.stage}: ${data.note}` : data.stage;
  if (bar && words) bar.setAttribute("aria-label", data.stage);
}

function showStatus(data: Ended): void {
  const ended = ["COMPLETED", "FAILED", "CANCELED"].includes(data.status);
  status.textContent = status.dataset["status"] = data.status;
  reason.textContent = data.status_info ?? "";
  reason.hidden = !data.status_info;
  if (!ended) return;
  place("progress").replaceChildren();
  stages.clear();
  const told = document.getElementById("announcement");
  if (told) told.textContent = `The build is ${data.status}.`;
}

function showArtifact(data: Artifact): void {
  let item = artifacts.querySelector<HTMLElement>(
    `[data-kind="${CSS.escape(data.artifact_type)}"]`,
  );
  if (!item) {
    item = document.createElement("li");
    item.dataset["kind"] = data.artifact_type;
    artifacts.append(item);
  }
  const size = data.size
    ? ` ${(data.size / 1e6).toLocaleString("en", { maximumFractionDigits: 1 })} MB`
    : "";
  const why = data.reason ? ` (${data.reason})` : "";
  item.textContent = `${data.artifact_type}: ${data.state}${why}${size}`;
}

const events = new EventSource(log.dataset["events"] ?? "");

function listen<T>(kind: string, take: (data: T) => void): void {
  events.addEventListener(kind, (event) => take(JSON.parse((event as MessageEvent<string>).data)));
}

listen<{ text: string }>("log", (data) => add(data.text));
listen<Progress>("progress", showProgress);
listen<Ended>("status", showStatus);
listen<Artifact>("artifact", showArtifact);
// When all has been told the server closes for good: what a build leaves (times, layers) is then on the page itself.
events.addEventListener("error", () => {
  if (events.readyState !== EventSource.CLOSED) return;
  if (["QUEUED", "BUILDING"].includes(running)) window.location.reload();
});
