// Follows a build. After a break the browser comes back by itself and says which event it has seen last.
export {};

interface Progress {
  stage: string;
  done?: number;
  total?: number;
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
}

function place(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (!found) throw new Error(`This page has no #${id}.`);
  return found;
}

const log = place("log");
const status = place("status");
const reason = place("reason");
const progress = place("progress");
const artifacts = place("artifacts");
const events = new EventSource(log.dataset["events"] ?? "");

function listen<T>(kind: string, show: (data: T) => void): void {
  events.addEventListener(kind, (event) => show(JSON.parse((event as MessageEvent<string>).data)));
}

listen<{ text: string }>("log", (data) => {
  const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
  log.append(`${data.text}\n`);
  if (atEnd) log.scrollTop = log.scrollHeight;
});

listen<Progress>("progress", (data) => {
  const share =
    data.total && data.done !== undefined ? ` ${Math.round((100 * data.done) / data.total)} %` : "";
  progress.textContent = data.seconds === undefined ? `${data.stage}${share}` : "";
});

listen<Ended>("status", (data) => {
  status.textContent = status.dataset["status"] = data.status;
  reason.textContent = data.status_info ?? "";
  reason.hidden = !data.status_info;
  progress.textContent = "";
});

listen<Artifact>("artifact", (data) => {
  let item = artifacts.querySelector<HTMLElement>(
    `[data-kind="${CSS.escape(data.artifact_type)}"]`,
  );
  if (!item) {
    item = document.createElement("li");
    item.dataset["kind"] = data.artifact_type;
    artifacts.append(item);
  }
  item.textContent = `${data.artifact_type}: ${data.state}${data.reason ? ` (${data.reason})` : ""}`;
});
