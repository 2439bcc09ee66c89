// Follows a build: the browser itself comes back after a break and says which event it has seen last.
"use strict";

const log = document.getElementById("log");
const status = document.getElementById("status");
const reason = document.getElementById("reason");
const progress = document.getElementById("progress");
const artifacts = document.getElementById("artifacts");
const events = new EventSource(log.dataset.events);

function listen(kind, show) {
  events.addEventListener(kind, (event) => show(JSON.parse(event.data)));
}

listen("log", (data) => {
  const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
  log.append(`${data.text}\n`);
  if (atEnd) log.scrollTop = log.scrollHeight;
});

listen("progress", (data) => {
  const share = data.total && data.done !== undefined ? ` ${Math.round((100 * data.done) / data.total)} %` : "";
  progress.textContent = data.seconds === undefined ? `${data.stage}${share}` : "";
});

listen("status", (data) => {
  status.textContent = status.dataset.status = data.status;
  reason.textContent = data.status_info || "";
  progress.textContent = "";
});

listen("artifact", (data) => {
  let item = artifacts.querySelector(`[data-kind="${data.artifact_type}"]`);
  if (!item) {
    item = document.createElement("li");
    item.dataset.kind = data.artifact_type;
    artifacts.append(item);
  }
  item.textContent = `${data.artifact_type}: ${data.state}${data.reason ? ` (${data.reason})` : ""}`;
});
