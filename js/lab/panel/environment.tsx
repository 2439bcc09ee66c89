import { Button } from "@jupyterlab/ui-components";
import type { JSX } from "react";
import { isRunning } from "../model";
import type { EnvironmentRow } from "../shapes";
import { CommandIDs } from "../tokens";
import { BuildList } from "./builds";
import { ActionButton, BuildButtons } from "./buttons";
import { Disclosure } from "./disclosure";
import { PackageLists } from "./packages";
import { usePanel } from "./surroundings";
import { StatusIcon } from "./status";
import { about } from "./targets";
import { date, sizeOf, STATUS_WORDS } from "./words";

/** What is known of an environment: its current build first, then all its builds. */
export function EnvironmentDetail({
  row,
  byPackage,
}: {
  row: EnvironmentRow;
  byPackage: string;
}): JSX.Element {
  return (
    <div
      className="jp-CondaStore-detail"
      role="group"
      aria-label={`Details of ${row.namespace}/${row.name}`}
    >
      {row.description && <p className="jp-CondaStore-description">{row.description}</p>}
      <Facts row={row} />
      {row.newest_id !== row.build_id && <Newest row={row} />}
      <BuildButtons row={row} />
      {row.status === "COMPLETED" && !row.deleted_on && (
        <Disclosure title={`Packages of build ${row.build_id}`} isOpenAtFirst={byPackage !== ""}>
          <PackageLists build={row.build_id} search={byPackage} />
        </Disclosure>
      )}
      <Disclosure title="Builds" isOpenAtFirst>
        <BuildList row={row} />
      </Disclosure>
    </div>
  );
}

function Facts({ row }: { row: EnvironmentRow }): JSX.Element {
  const facts = [
    `Build ${row.build_id}`,
    STATUS_WORDS[row.status].toLowerCase(),
    sizeOf(row),
    row.deleted_on && "deleted",
    date(row.ended_on ?? row.scheduled_on),
  ];
  return <p className="jp-CondaStore-facts">{facts.filter(Boolean).join(" · ")}</p>;
}

/** A build that is not the current one (yet). */
function Newest({ row }: { row: EnvironmentRow }): JSX.Element {
  const { commands } = usePanel();
  const build = { id: row.newest_id, status: row.newest_status };
  return (
    <p className="jp-CondaStore-newest">
      <StatusIcon status={row.newest_status} />
      <span>
        Build {row.newest_id}: {STATUS_WORDS[row.newest_status].toLowerCase()}
      </span>
      {commands.hasCommand(CommandIDs.log) && (
        <Button
          small
          minimal
          aria-label={`Show log of build ${row.newest_id}`}
          onClick={() => void commands.execute(CommandIDs.logOfRow, about(row, build))}
        >
          Log
        </Button>
      )}
      {isRunning(row.newest_status) && (
        <ActionButton command={CommandIDs.cancel} args={about(row, build)} text="Cancel" />
      )}
    </p>
  );
}
