import { useVirtualizer, type Virtualizer } from "@tanstack/react-virtual";
import { type JSX, type KeyboardEvent, useEffect, useRef } from "react";
import type { Item } from "./items";
import { EnvironmentItem, NamespaceItem } from "./rows";
import { usePanel } from "./surroundings";
import type { PanelView } from "./view";

/** Height of a row that is closed, in pixels; panel.css says the same. */
const ROW = 28;

type Rows = Virtualizer<HTMLDivElement, HTMLDivElement>;

/** Rows of which only those in sight exist. Arrow keys go from row to row, Tab into the one that is open. */
export function EnvironmentList({ items }: { items: Item[] }): JSX.Element {
  const { view } = usePanel();
  const scroller = useRef<HTMLDivElement>(null);
  const rows: Rows = useVirtualizer({
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW,
    getItemKey: (index) => items[index]?.key ?? index,
    overscan: 6,
  });
  const focus = useFocusByKey(scroller);
  // The keyboard's way into the list is the row that it was on last, or the first.
  const active = items.some((item) => item.key === view.active) ? view.active : items[0]?.key;
  return (
    <div
      ref={scroller}
      className="jp-CondaStore-list"
      onKeyDown={(event) => {
        const next = onArrow(event, items, view);
        if (next === null) return;
        rows.scrollToIndex(next);
        focus(items[next]?.key ?? "");
      }}
    >
      <div
        role="list"
        aria-label="Environments"
        className="jp-CondaStore-rows"
        style={{ height: rows.getTotalSize() }}
      >
        {rows.getVirtualItems().map(({ index, start }) => {
          const item = items[index];
          if (!item) return null;
          const { key } = item;
          return (
            <div
              key={key}
              ref={rows.measureElement}
              data-index={index}
              role="listitem"
              aria-level={item.kind === "namespace" ? 1 : 2}
              aria-posinset={index + 1}
              aria-setsize={items.length}
              className="jp-CondaStore-item"
              style={{ transform: `translateY(${start}px)` }}
            >
              {item.kind === "namespace" ? (
                <NamespaceItem item={item} isActive={key === active} />
              ) : (
                <EnvironmentItem
                  row={item.row}
                  byPackage={item.byPackage}
                  isActive={key === active}
                />
              )}
            </div>
          );
        })}
      </div>
    </div>
  );
}

/** Focus a row that may have to be scrolled to, and so does not exist yet. */
function useFocusByKey(scroller: React.RefObject<HTMLDivElement>): (key: string) => void {
  const wanted = useRef("");
  const { view } = usePanel();
  useEffect(() => {
    if (!wanted.current) return;
    const { activeElement } = document;
    // The reader went on elsewhere before the row was there.
    if (activeElement !== document.body && !scroller.current?.contains(activeElement))
      wanted.current = "";
    const buttons = scroller.current?.querySelectorAll<HTMLElement>("[data-row]") ?? [];
    const found = [...buttons].find((button) => button.dataset["row"] === wanted.current);
    if (!found) return;
    wanted.current = "";
    found.focus({ preventScroll: true });
  });
  return (key) => {
    wanted.current = key;
    view.setActive(key);
  };
}

/** Where an arrow key leads from the row that has the focus; null when it means something else. */
function onArrow(event: KeyboardEvent, items: Item[], view: PanelView): number | null {
  const row = (event.target as HTMLElement).dataset["row"];
  const at = row === undefined ? -1 : items.findIndex((item) => item.key === row);
  const item = items[at];
  if (!item || event.altKey || event.ctrlKey || event.metaKey) return null;
  const to = step(event.key, at, item, items, view);
  if (to === null) return null;
  event.preventDefault();
  event.stopPropagation();
  return Math.max(0, Math.min(items.length - 1, to));
}

function step(
  pressed: string,
  at: number,
  item: Item,
  items: Item[],
  view: PanelView,
): number | null {
  if (pressed === "ArrowDown") return at + 1;
  if (pressed === "ArrowUp") return at - 1;
  if (pressed === "Home") return 0;
  if (pressed === "End") return items.length - 1;
  if (pressed !== "ArrowRight" && pressed !== "ArrowLeft") return null;
  const opens = pressed === "ArrowRight";
  const isOpen = item.kind === "namespace" ? !item.folded : view.isOpen(item.key);
  if (isOpen !== opens) {
    if (item.kind === "namespace") view.fold(item.namespace, !opens);
    else view.open(item.key, opens);
    return at;
  }
  if (opens) return item.kind === "namespace" ? at + 1 : at;
  // From an environment to its namespace.
  let up = at;
  while (up > 0 && items[up]?.kind !== "namespace") up -= 1;
  return up;
}
