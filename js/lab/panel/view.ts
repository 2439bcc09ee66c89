// What the reader has typed, chosen, opened and folded; kept apart from widgets, so that nothing is lost with them.
import type { IStateDB } from "@jupyterlab/statedb";
import { Debouncer } from "@lumino/polling";
import { Signal, type ISignal } from "@lumino/signaling";
import type { EnvironmentsModel } from "../model";
import { itemsOf, type Item, type StatusFilter } from "./items";
import { holders } from "./requests";

const STATE = "conda-store:panel";
// What conda takes as the name of a package.
const PACKAGE = /^[a-z0-9_][a-z0-9_.-]+$/i;

export class PanelView {
  search = "";
  status: StatusFilter = "all";
  /** The row that the keyboard is on. */
  active = "";
  private folded = new Set<string>();
  private opened = new Set<string>();
  private found: ReadonlySet<string> = new Set();
  private last: { rows: unknown; items: Item[] } | null = null;
  private readonly asking: Debouncer<void, void, [string]>;
  private readonly onChange = new Signal<this, void>(this);

  constructor(
    readonly model: EnvironmentsModel,
    private readonly state: IStateDB | null = null,
  ) {
    this.asking = new Debouncer((name: string) => this.ask(name), 300);
    model.changed.connect(() => this.onChange.emit());
  }

  /** Something is to be shown in another way; environments count, too. */
  get changed(): ISignal<this, void> {
    return this.onChange;
  }

  /** Rows from first to last; the same ones until something changes. */
  get items(): Item[] {
    const rows = this.model.environments;
    if (this.last?.rows !== rows) {
      const { search, status, folded, found } = this;
      this.last = { rows, items: itemsOf(rows, { search, status, folded, holders: found }) };
    }
    return this.last.items;
  }

  isOpen(key: string): boolean {
    return this.opened.has(key);
  }

  setSearch(search: string): void {
    this.search = search;
    this.found = new Set();
    this.update();
    const name = search.trim();
    void this.asking.invoke(PACKAGE.test(name) ? name : "").catch(() => undefined);
  }

  setStatus(status: StatusFilter): void {
    this.status = status;
    this.update();
  }

  setActive(key: string): void {
    this.active = key;
    this.onChange.emit();
  }

  /** Fold a namespace or unfold it. */
  fold(namespace: string, folded: boolean): void {
    if (folded) this.folded.add(namespace);
    else this.folded.delete(namespace);
    void this.state?.save(STATE, { folded: [...this.folded] });
    this.update();
  }

  /** Show what is known of an environment, or only its row. */
  open(key: string, opened: boolean): void {
    if (opened) this.opened.add(key);
    else this.opened.delete(key);
    this.onChange.emit();
  }

  /** Take up what was folded when the page was last left. */
  async restore(): Promise<void> {
    const kept = (await this.state?.fetch(STATE)) as { folded?: string[] } | undefined;
    if (!Array.isArray(kept?.folded)) return;
    this.folded = new Set(kept.folded);
    this.update();
  }

  dispose(): void {
    this.asking.dispose();
    Signal.clearData(this);
  }

  /** A package's name finds the environments that hold it; what cannot be asked finds none. */
  private async ask(name: string): Promise<void> {
    if (!name) return;
    const found = await holders(this.model.api, name).catch(() => new Set<string>());
    if (this.search.trim() !== name) return;
    this.found = found;
    this.update();
  }

  private update(): void {
    this.last = null;
    this.onChange.emit();
  }
}
