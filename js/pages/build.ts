// Shows a build while it goes on: status, progress, log, artifacts.
import { Following } from "../shared/following";
import { add } from "./log";
import { place } from "./place";

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

const status = place("status");
const reason = place("reason");
const artifacts = place("artifacts");
const words = JSON.parse(artifacts.dataset["words"] ?? "{}") as Record<string, string>;
/** What the server wrote of artifacts, by kind: of those that are in the same state again it says more than an event. */
const written = new Map(
  [...artifacts.querySelectorAll("li")].map((item) => [
    item.dataset["kind"] ?? "",
    item.cloneNode(true) as HTMLLIElement,
  ]),
);
const link = place("link");
const running = ["QUEUED", "BUILDING"].includes(status.dataset["status"] ?? "");

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
  const label = row.querySelector("span");
  if (bar && data.total) bar.max = data.total;
  if (bar && data.done !== undefined && bar.hasAttribute("max")) bar.value = data.done;
  if (label) label.textContent = data.note ? `${data.stage}: ${data.note}` : data.stage;
  if (bar && label) bar.setAttribute("aria-label", data.stage);
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
  const before = written.get(data.artifact_type);
  if (before?.dataset["state"] === data.state) {
    item.replaceWith(before.cloneNode(true));
    return;
  }
  const size = data.size ? ` ${inBytes(data.size)}` : "";
  const why = data.reason ? ` (${data.reason})` : "";
  const word = words[data.artifact_type] ?? data.artifact_type;
  item.textContent = `${word}: ${data.state.toLowerCase()}${why}${size}`;
}

/** A size as the server writes it. */
function inBytes(size: number): string {
  const power = Math.min(Math.floor(Math.log10(size) / 3), 4);
  const unit = ["Bytes", "kB", "MB", "GB", "TB"][power];
  return power ? `${(size / 1000 ** power).toFixed(1)} ${unit}` : `${size} ${unit}`;
}

/** Why it goes on no longer, by the status of the answer. */
const REFUSALS: Record<number, string> = {
  // Whether there is something is told to those only who may see it.
  403: "You may no longer see this build, or it was deleted: load the page again, and sign in.",
  404: "This build is there no longer: somebody has deleted it.",
};

function showLink(words: string): void {
  link.textContent = words;
  link.hidden = !words;
}

const following = new Following(place("log").dataset["events"] ?? "", {
  // What a build leaves (times, layers) is then on the page itself.
  told: () => (running ? window.location.reload() : showLink("")),
  refused: (status) =>
    showLink(REFUSALS[status] ?? "This build cannot be followed: load the page again."),
  waiting: (isWaiting) =>
    showLink(
      isWaiting ? "The server does not answer: this page goes on by itself when it does." : "",
    ),
});
following.on<{ text: string }>("log", (data) => add(data.text));
following.on<Progress>("progress", showProgress);
following.on<Ended>("status", showStatus);
following.on<Artifact>("artifact", showArtifact);
