import { caretDownIcon, caretRightIcon, ellipsesIcon } from "@jupyterlab/ui-components";
import type { JSX } from "react";
import { key } from "../model";
import type { EnvironmentRow } from "../shapes";
import { EnvironmentDetail } from "./environment";
import type { Item } from "./items";
import { openMenu } from "./menus";
import { StatusIcon } from "./status";
import { usePanel } from "./surroundings";
import { about, marked } from "./targets";
import { IconButton } from "./toolbar";
import { age, count, described, sizeOf, STATUS_WORDS } from "./words";

const Caret = ({ isOpen }: { isOpen: boolean }): JSX.Element => {
  const Icon = (isOpen ? caretDownIcon : caretRightIcon).react;
  return <Icon tag="span" className="jp-CondaStore-caret" />;
};

interface Row {
  isActive: boolean;
}

/** The head of a namespace, which folds what is below. */
export function NamespaceItem(
  props: Row & { item: Extract<Item, { kind: "namespace" }> },
): JSX.Element {
  const { view } = usePanel();
  const { namespace, folded, count: number } = props.item;
  return (
    <button
      className="jp-CondaStore-namespace"
      data-row={props.item.key}
      tabIndex={props.isActive ? 0 : -1}
      aria-expanded={!folded}
      aria-label={`Namespace ${namespace}, ${count(number, "environment")}`}
      title={namespace}
      onFocus={() => view.setActive(props.item.key)}
      onClick={() => view.fold(namespace, !folded)}
    >
      <Caret isOpen={!folded} />
      <bdi className="jp-CondaStore-name">{namespace}</bdi>
      <span className="jp-CondaStore-count">{number}</span>
    </button>
  );
}

/** An environment: its row, and below it what is known of it while it is open. */
export function EnvironmentItem(
  props: Row & { row: EnvironmentRow; byPackage: boolean },
): JSX.Element {
  const { view, commands } = usePanel();
  const { row } = props;
  const isOpen = view.isOpen(key(row));
  return (
    <div className={`jp-CondaStore-environment${isOpen ? " jp-mod-open" : ""}`} {...marked(row)}>
      <div className="jp-CondaStore-row">
        <EnvironmentButton {...props} isOpen={isOpen} />
        <IconButton
          icon={ellipsesIcon}
          menu
          name={`Actions for ${key(row)}`}
          onClick={(event) => openMenu(commands, event.currentTarget, about(row), "environment")}
        />
      </div>
      {isOpen && <EnvironmentDetail row={row} byPackage={props.byPackage ? view.search : ""} />}
    </div>
  );
}

function EnvironmentButton(
  props: Row & { row: EnvironmentRow; byPackage: boolean; isOpen: boolean },
): JSX.Element {
  const { view } = usePanel();
  const { row, isOpen } = props;
  const name = key(row);
  const words = described(row);
  return (
    <button
      className="jp-CondaStore-environmentButton"
      data-row={name}
      tabIndex={props.isActive ? 0 : -1}
      aria-expanded={isOpen}
      aria-label={`${name}: ${words}`}
      title={`${name}: ${words}`}
      onFocus={() => view.setActive(name)}
      onClick={() => view.open(name, !isOpen)}
    >
      <Caret isOpen={isOpen} />
      <StatusIcon status={row.status} />
      <bdi className="jp-CondaStore-name">{row.name}</bdi>
      {props.byPackage && <span className="jp-CondaStore-hint">has {view.search.trim()}</span>}
      {row.newest_id !== row.build_id && row.newest_status !== "COMPLETED" && (
        <StatusIcon
          status={row.newest_status}
          hint={`Build ${row.newest_id}: ${STATUS_WORDS[row.newest_status]}`}
        />
      )}
      <span className="jp-CondaStore-size">{sizeOf(row)}</span>
      <span className="jp-CondaStore-age">{age(row.scheduled_on)}</span>
    </button>
  );
}
