import {
  addIcon,
  Button,
  HTMLSelect,
  InputGroup,
  LabIcon,
  refreshIcon,
} from "@jupyterlab/ui-components";
import type { JSX } from "react";
import { CommandIDs } from "../tokens";
import type { StatusFilter } from "./items";
import { execute, usePanel } from "./surroundings";

const STATES: { value: StatusFilter; label: string }[] = [
  { value: "all", label: "All" },
  { value: "ready", label: "Ready" },
  { value: "running", label: "Running" },
  { value: "failed", label: "Failed" },
];

/** A button that is a picture, with its name as title and for those who hear it. */
export function IconButton(props: {
  icon: LabIcon;
  name: string;
  onClick: (event: React.MouseEvent<HTMLButtonElement>) => void;
  disabled?: boolean;
  menu?: boolean;
}): JSX.Element {
  const { icon, name, onClick, disabled = false, menu = false } = props;
  return (
    <Button
      minimal
      small
      className="jp-CondaStore-iconButton"
      aria-label={name}
      aria-haspopup={menu ? "menu" : undefined}
      title={name}
      disabled={disabled}
      onClick={onClick}
    >
      <LabIcon.resolveReact icon={icon} tag="span" />
    </Button>
  );
}

/** Name of the panel, which states are shown, and what can be done with all environments. */
export function PanelToolbar(): JSX.Element {
  const { model, view, commands } = usePanel();
  // Unknown before the first answer: the button does not come and go.
  const mayCreate = model.connection === null || model.writable.length > 0;
  return (
    <div className="jp-CondaStore-toolbar" role="toolbar" aria-label="Environments">
      <h2 className="jp-CondaStore-title">Environments</h2>
      <HTMLSelect
        className="jp-CondaStore-filter"
        aria-label="Show environments by status"
        value={view.status}
        onChange={(event) => view.setStatus(event.currentTarget.value as StatusFilter)}
        options={STATES}
      />
      <IconButton
        icon={addIcon}
        name={mayCreate ? "New environment" : "New environment: you may create none here"}
        disabled={!mayCreate}
        onClick={() => execute(commands, CommandIDs.create)}
      />
      <IconButton
        icon={refreshIcon}
        name="Refresh environments"
        onClick={() => execute(commands, CommandIDs.refresh)}
      />
    </div>
  );
}

/** What one looks for: part of a name, or a package. */
export function PanelSearch(): JSX.Element {
  const { view } = usePanel();
  return (
    <div className="jp-CondaStore-search" role="search">
      <InputGroup
        type="search"
        aria-label="Search environments"
        placeholder="Name or package"
        rightIcon="ui-components:search"
        value={view.search}
        onChange={(event) => view.setSearch(event.currentTarget.value)}
      />
    </div>
  );
}
