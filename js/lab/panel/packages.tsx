import { InputGroup } from "@jupyterlab/ui-components";
import { type JSX, useEffect, useState } from "react";
import type { Package } from "../shapes";
import { useLoaded } from "./loaded";
import { Pages, Pending } from "./pending";
import { build as getBuild, packages } from "./requests";
import { usePanel } from "./surroundings";
import { count } from "./words";

/** What was asked for, and what a solver made of it. */
export function PackageLists({ build, search }: { build: number; search?: string }): JSX.Element {
  return (
    <div className="jp-CondaStore-packages">
      <Requested build={build} />
      <Installed build={build} search={search ?? ""} />
    </div>
  );
}

function Requested({ build }: { build: number }): JSX.Element {
  const { model } = usePanel();
  const { data, error, retry } = useLoaded(() => getBuild(model.api, build), String(build));
  if (!data) return <Pending error={error} retry={retry} />;
  const asked = requested(data.specification?.spec ?? {});
  return (
    <>
      <h4>Requested</h4>
      {asked.length > 0 ? (
        <ul className="jp-CondaStore-requested" aria-label="Requested packages">
          {asked.map((name, place) => (
            <li key={place} title={name}>
              {name}
            </li>
          ))}
        </ul>
      ) : (
        <p className="jp-CondaStore-pending">All that its lockfile names.</p>
      )}
    </>
  );
}

/** Dependencies of a specification, those of pip last; nothing for a lockfile. */
export function requested(spec: Record<string, unknown>): string[] {
  const dependencies = Array.isArray(spec["dependencies"]) ? spec["dependencies"] : [];
  return dependencies.flatMap((one: unknown): string[] => {
    if (typeof one === "string") return [one];
    const pip = (one as { pip?: unknown } | null)?.pip;
    return Array.isArray(pip) ? pip.map((name) => `${String(name)} (pip)`) : [];
  });
}

/** Typed text, as soon as no more is typed for a moment. */
function useSettled(typed: string): string {
  const [settled, setSettled] = useState(typed);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(typed), 200);
    return () => clearTimeout(timer);
  }, [typed]);
  return settled;
}

function Installed(props: { build: number; search: string }): JSX.Element {
  const { model } = usePanel();
  const { build } = props;
  const [typed, setTyped] = useState(props.search);
  const [page, setPage] = useState(1);
  const search = useSettled(typed.trim());
  const ask = () => packages(model.api, build, search, page);
  const { data, error, retry } = useLoaded(ask, `${build} ${page} ${search}`);
  return (
    <>
      <h4>Installed{data && !search ? ` (${data.count})` : ""}</h4>
      <InputGroup
        type="search"
        aria-label={`Search packages of build ${build}`}
        placeholder="Search packages"
        value={typed}
        onChange={(event) => {
          setTyped(event.currentTarget.value);
          setPage(1);
        }}
      />
      {(!data || error) && <Pending error={error} retry={retry} />}
      {data && <PackageTable rows={data.data} />}
      {data && search && (
        <p className="jp-CondaStore-pending" role="status">
          {count(data.count, "package")} with “{search}”
        </p>
      )}
      {data && <Pages page={page} count={data.count} show={setPage} what="packages" />}
    </>
  );
}

const PackageTable = ({ rows }: { rows: Package[] }): JSX.Element => (
  <ul className="jp-CondaStore-installed" aria-label="Installed packages">
    {rows.map((one) => (
      <li key={`${one.name} ${one.version} ${one.build}`} title={titleOf(one)}>
        <span className="jp-CondaStore-name">{one.name}</span>
        <span className="jp-CondaStore-version">{one.version}</span>
      </li>
    ))}
  </ul>
);

const titleOf = (one: Package): string =>
  [`${one.name} ${one.version} ${one.build}`, one.channel.name, one.license, one.summary]
    .filter(Boolean)
    .join("\n");
