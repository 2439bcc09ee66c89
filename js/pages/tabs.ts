// Disclosures that belong together become tabs. Without scripts they stay disclosures: nothing is missing there.

/** The place that holds them names what they are about: `data-tabs` is the id of its heading. */
export function tabs(home: HTMLElement): void {
  const list = document.createElement("div");
  list.className = "nav nav-tabs";
  list.setAttribute("role", "tablist");
  list.setAttribute("aria-labelledby", home.dataset["tabs"] ?? "");
  const parts = [...home.querySelectorAll("details")].map((one, index) =>
    tabOf(one, `${home.dataset["tabs"]}-${index}`),
  );
  const choose = (chosen: number): void =>
    parts.forEach(({ tab, panel }, index) => {
      const isChosen = index === chosen;
      tab.classList.toggle("active", isChosen);
      tab.setAttribute("aria-selected", String(isChosen));
      // The tabulator comes to the chosen one only; the arrows go from there to the others.
      tab.tabIndex = isChosen ? 0 : -1;
      panel.hidden = !isChosen;
    });
  parts.forEach(({ tab }, index) => {
    list.append(tab);
    tab.addEventListener("click", () => choose(index));
    tab.addEventListener("keydown", (event) => {
      const next = neighbour(event.key, index, parts.length);
      if (next === undefined) return;
      event.preventDefault();
      choose(next);
      parts[next]?.tab.focus();
    });
  });
  home.prepend(list);
  choose(0);
}

function tabOf(
  disclosure: HTMLDetailsElement,
  id: string,
): { tab: HTMLElement; panel: HTMLElement } {
  const tab = document.createElement("button");
  const panel = document.createElement("div");
  tab.type = "button";
  tab.className = "nav-link";
  tab.id = `${id}-tab`;
  tab.textContent = disclosure.querySelector("summary")?.textContent ?? "";
  tab.setAttribute("role", "tab");
  tab.setAttribute("aria-controls", id);
  panel.id = id;
  panel.className = "panel";
  panel.setAttribute("role", "tabpanel");
  panel.setAttribute("aria-labelledby", tab.id);
  disclosure.querySelector("summary")?.remove();
  panel.append(...disclosure.childNodes);
  disclosure.replaceWith(panel);
  return { tab, panel };
}

function neighbour(key: string, index: number, count: number): number | undefined {
  const places: Record<string, number> = {
    ArrowRight: (index + 1) % count,
    ArrowLeft: (index + count - 1) % count,
    Home: 0,
    End: count - 1,
  };
  return places[key];
}
