// The log of a build as a widget: lines, search, wrap, follow and download. No React: lines come by the thousand.
import { Widget } from "@lumino/widgets";
import { LogView } from "../../shared/log";
import type { BuildModel } from "./build";

export class LogText extends Widget {
  private readonly view: LogView;

  constructor(private readonly build: BuildModel) {
    super({ node: document.createElement("section") });
    this.addClass("jp-CondaStore-log");
    const log = element("pre", { tabIndex: 0, role: "log", ariaLive: "off", ariaLabel: "Log" });
    log.className = "jp-CondaStore-lines jp-mod-wrapped";
    const found = element("span", { className: "jp-CondaStore-quiet", ariaLive: "polite" });
    const earlier = element("p", { className: "jp-CondaStore-quiet", hidden: true });
    const follow = element("input", { type: "checkbox", checked: true });
    this.view = new LogView({ log, found, earlier }, (now) => (follow.checked = now));
    follow.addEventListener("change", () => this.view.follow(follow.checked));
    const toolbar = element("div", { className: "jp-CondaStore-tools" });
    toolbar.append(
      labelled("Follow", follow),
      this.wrap(log),
      this.search(),
      found,
      this.download(),
    );
    this.node.append(toolbar, earlier, log);
    build.line.connect((_, line) => this.view.add(line));
  }

  /** Scroll to where the log goes on. */
  toEnd(): void {
    this.view.toEnd();
  }

  private wrap(log: HTMLElement): HTMLElement {
    const wrap = element("input", { type: "checkbox", checked: true });
    wrap.addEventListener("change", () => log.classList.toggle("jp-mod-wrapped", wrap.checked));
    return labelled("Wrap", wrap);
  }

  private search(): HTMLElement {
    const search = element("input", {
      type: "search",
      className: "jp-mod-styled",
      placeholder: "Search the log",
      ariaLabel: "Search the log",
      autocomplete: "off",
    });
    search.addEventListener("input", () => this.view.search(search.value));
    return search;
  }

  private download(): HTMLElement {
    const link = element("a", { href: this.build.logAddress, textContent: "Download" });
    link.download = `build-${this.build.id}.log`;
    return link;
  }
}

function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  properties: Partial<HTMLElementTagNameMap[K]>,
): HTMLElementTagNameMap[K] {
  return Object.assign(document.createElement(name), properties);
}

function labelled(words: string, input: HTMLInputElement): HTMLElement {
  const label = element("label", {});
  label.append(input, ` ${words}`);
  return label;
}
