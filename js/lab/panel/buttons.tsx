import { Button, caretDownIcon } from "@jupyterlab/ui-components";
import type { ReadonlyJSONObject } from "@lumino/coreutils";
import type { JSX } from "react";
import type { EnvironmentRow, Status } from "../shapes";
import { CommandIDs } from "../tokens";
import { type MenuKind, openMenu } from "./menus";
import { usePanel } from "./surroundings";
import { about } from "./targets";

/** A command as a button: absent when it is not allowed, disabled with the reason when it makes no sense. */
export function ActionButton(props: {
  command: string;
  args: ReadonlyJSONObject;
  text: string;
}): JSX.Element | null {
  const { commands } = usePanel();
  const { command, args, text } = props;
  if (!commands.hasCommand(command) || !commands.isVisible(command, args)) return null;
  return (
    <Button
      small
      title={commands.label(command, args)}
      disabled={!commands.isEnabled(command, args)}
      onClick={() => void commands.execute(command, args)}
    >
      {text}
    </Button>
  );
}

function MenuButton(props: {
  kind: MenuKind;
  args: ReadonlyJSONObject;
  text: string;
  name: string;
}): JSX.Element {
  const { commands } = usePanel();
  return (
    <Button
      small
      aria-haspopup="menu"
      aria-label={props.name}
      title={props.name}
      onClick={(event) => openMenu(commands, event.currentTarget, props.args, props.kind)}
    >
      {props.text}
      <caretDownIcon.react tag="span" className="jp-CondaStore-caret" />
    </Button>
  );
}

/** What is done with a build most often; the rest is in its menu. */
export function BuildButtons(props: {
  row: EnvironmentRow;
  build?: { id: number; status: Status };
}): JSX.Element {
  const { row, build } = props;
  const args = about(row, build);
  const isCurrent = !build || build.id === row.build_id;
  const isGone = isCurrent && row.deleted_on !== null;
  const isReady = (build?.status ?? row.status) === "COMPLETED" && !isGone;
  return (
    <div className="jp-CondaStore-rowButtons">
      {isReady && (
        <>
          <MenuButton kind="copy" args={args} text="Copy" name="Copy docker command" />
          <MenuButton kind="download" args={args} text="Download" name="Download or save files" />
        </>
      )}
      <ActionButton command={CommandIDs.logOfRow} args={args} text="Log" />
      {isCurrent && <ActionButton command={CommandIDs.edit} args={args} text="Edit" />}
      <ActionButton command={CommandIDs.rebuild} args={args} text="Rebuild" />
      {isReady && !isCurrent && (
        <ActionButton command={CommandIDs.makeCurrent} args={args} text="Make current" />
      )}
      {build && !isCurrent && (
        <ActionButton command={CommandIDs.compare} args={args} text="Compare" />
      )}
    </div>
  );
}
