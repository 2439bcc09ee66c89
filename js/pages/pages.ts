// What every page has: buttons that copy, times in the reader's own words, typed confirmation, tabs, search as one types.

import { tabs } from "./tabs";

document.documentElement.classList.add("scripted");

function copyButtons(): void {
  document.addEventListener("click", async (event) => {
    const button = (event.target as Element).closest<HTMLButtonElement>("button[data-copy]");
    if (!button) return;
    const said = button.textContent ?? "";
    try {
      await navigator.clipboard.writeText(button.dataset["copy"] ?? "");
      button.textContent = "Copied";
    } catch {
      // Browsers give the clipboard to secure origins only; the text stands there to be selected.
      button.textContent = "Select and copy it";
    }
    announce(button.textContent);
    setTimeout(() => (button.textContent = said), 2000);
  });
}

/** Tell a screen reader what changed. */
export function announce(text: string): void {
  const place = document.getElementById("announcement");
  if (place) place.textContent = text;
}

function localTimes(root: ParentNode): void {
  for (const time of root.querySelectorAll<HTMLTimeElement>("time[datetime]")) {
    time.title = new Date(time.dateTime).toLocaleString();
  }
}

function typedConfirmation(): void {
  for (const field of document.querySelectorAll<HTMLInputElement>("input[data-expected]")) {
    const button = field.form?.querySelector<HTMLButtonElement>(
      "button[type=submit], button:not([type])",
    );
    const check = (): void => {
      if (button) button.disabled = field.value !== field.dataset["expected"];
    };
    field.addEventListener("input", check);
    check();
  }
}

/** A form with `data-live` shows its results while one types: the page itself is asked for, its results replaced. */
function liveSearch(form: HTMLFormElement): void {
  const target = form.dataset["live"] ?? "";
  let last: AbortController | undefined;
  let timer: number | undefined;
  const show = async (): Promise<void> => {
    last?.abort();
    last = new AbortController();
    const query = new URLSearchParams();
    for (const [name, value] of new FormData(form))
      if (typeof value === "string" && value !== "") query.append(name, value);
    const address = `${form.action.split("?")[0]}?${query}`;
    try {
      const answer = await fetch(address, {
        signal: last.signal,
        headers: { Accept: "text/html" },
      });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const found = page.getElementById(target);
      if (!answer.ok || !found) return;
      document.getElementById(target)?.replaceWith(found);
      localTimes(found);
      history.replaceState(null, "", address);
      announce(found.dataset["summary"] ?? "");
    } catch (error) {
      if (!(error instanceof DOMException)) form.submit();
    }
  };
  form.addEventListener("input", () => {
    window.clearTimeout(timer);
    timer = window.setTimeout(show, 120);
  });
}

copyButtons();
localTimes(document);
typedConfirmation();
document.querySelectorAll<HTMLElement>("[data-tabs]").forEach(tabs);
document.querySelectorAll<HTMLFormElement>("form[data-live]").forEach(liveSearch);
