import { caretDownIcon, caretRightIcon, ellipsesIcon } from "@jupyterlab/ui-components";
import { type JSX, useState } from "react";
import type { Build, EnvironmentRow } from "../shapes";
import { BuildButtons } from "./buttons";
import { Disclosure } from "./disclosure";
import { useLoaded } from "./loaded";
import { openMenu } from "./menus";
import { PackageLists } from "./packages";
import { Pages, Pending } from "./pending";
import { builds } from "./requests";
import { StatusIcon } from "./status";
import { usePanel } from "./surroundings";
import { about, marked } from "./targets";
import { IconButton } from "./toolbar";
import { age, date, sizeOf, STATUS_WORDS } from "./words";

/** Builds of an environment, the newest first. */
export function BuildList({ row }: { row: EnvironmentRow }): JSX.Element {
  const { model } = usePanel();
  const [page, setPage] = useState(1);
  // The list is another one as soon as a build begins or ends.
  const question = `${row.newest_id} ${row.newest_status} ${row.build_id} ${page}`;
  const { data, error, retry } = useLoaded(() => builds(model.api, row, page), question);
  if (!data) return <Pending error={error} retry={retry} />;
  return (
    <>
      {error && <Pending error={error} retry={retry} />}
      <ul className="jp-CondaStore-builds" aria-label={`Builds of ${row.name}`}>
        {data.data.map((build) => (
          <BuildItem key={build.id} row={row} build={build} />
        ))}
      </ul>
      <Pages page={page} count={data.count} show={setPage} what="builds" />
    </>
  );
}

function BuildItem({ row, build }: { row: EnvironmentRow; build: Build }): JSX.Element {
  const { commands } = usePanel();
  // Why it failed is what one looks for then.
  const [isOpen, setOpen] = useState(build.status === "FAILED" && build.id === row.newest_id);
  const isCurrent = build.id === row.build_id;
  const state = STATUS_WORDS[build.status].toLowerCase();
  const words = [state, isCurrent && "current", date(build.scheduled_on)].filter(Boolean);
  const name = `Build ${build.id}: ${words.join(", ")}`;
  const Icon = (isOpen ? caretDownIcon : caretRightIcon).react;
  return (
    <li className="jp-CondaStore-buildItem" {...marked(row, build)}>
      <div className="jp-CondaStore-row">
        <button
          className="jp-CondaStore-buildButton"
          aria-expanded={isOpen}
          aria-label={name}
          title={name}
          onClick={() => setOpen(!isOpen)}
        >
          <Icon tag="span" className="jp-CondaStore-caret" />
          <StatusIcon status={build.status} />
          <span className="jp-CondaStore-name">Build {build.id}</span>
          {isCurrent && <span className="jp-CondaStore-current">current</span>}
          <span className="jp-CondaStore-age">{age(build.scheduled_on)}</span>
        </button>
        <IconButton
          icon={ellipsesIcon}
          menu
          name={`Actions for build ${build.id}`}
          onClick={(event) => openMenu(commands, event.currentTarget, about(row, build), "build")}
        />
      </div>
      {isOpen && <BuildDetail row={row} build={build} />}
    </li>
  );
}

function BuildDetail({ row, build }: { row: EnvironmentRow; build: Build }): JSX.Element {
  const facts = [
    STATUS_WORDS[build.status],
    sizeOf(build),
    `queued ${date(build.scheduled_on)}`,
    build.ended_on && `ended ${date(build.ended_on)}`,
  ];
  return (
    <div
      className="jp-CondaStore-buildDetail"
      role="group"
      aria-label={`Details of build ${build.id}`}
    >
      <p className="jp-CondaStore-facts">{facts.filter(Boolean).join(" · ")}</p>
      {build.status_info && <pre className="jp-CondaStore-buildReason">{build.status_info}</pre>}
      {/* Those of the current build stand above already. */}
      {build.id !== row.build_id && <BuildButtons row={row} build={build} />}
      <Disclosure title="Packages">
        <PackageLists build={build.id} />
      </Disclosure>
    </div>
  );
}
