// What differs between two builds, in the main area.
import { MainAreaWidget, ReactWidget } from "@jupyterlab/apputils";
import { HTMLSelect } from "@jupyterlab/ui-components";
import { type JSX, type ReactNode, useState } from "react";
import type { CondaStoreApi } from "../api";
import { condaStoreIcon } from "../icon";
import { key } from "../model";
import type { Build, EnvironmentRow } from "../shapes";
import { useLoaded } from "./loaded";
import { Pending } from "./pending";
import { type Line, packageLines, specificationLines } from "./lines";
import { builds, difference } from "./requests";
import type { Target } from "./targets";
import { date } from "./words";

/** A tab that compares the build that is meant with the current one, or that one with the one before. */
export function differenceWidget(api: CondaStoreApi, target: Target): MainAreaWidget<ReactWidget> {
  const { row, build } = target;
  if (!row) throw new Error(`It is not known which environment build ${build} belongs to.`);
  const content = ReactWidget.create(<Comparison api={api} row={row} build={build} />);
  content.addClass("jp-CondaStore-difference");
  const widget = new MainAreaWidget({ content });
  widget.id = `conda-store-difference-${row.namespace}-${row.name}-${Date.now()}`;
  widget.title.label = `${row.name}: builds compared`;
  widget.title.caption = key(row);
  widget.title.icon = condaStoreIcon;
  widget.title.closable = true;
  return widget;
}

interface Props {
  api: CondaStoreApi;
  row: EnvironmentRow;
  build: number;
}

export function Comparison({ api, row, build }: Props): JSX.Element {
  const { data, error, retry } = useLoaded(() => builds(api, row, 1), key(row));
  const [chosen, setChosen] = useState<{ from?: number; to?: number }>({});
  if (!data) return <Pending error={error} retry={retry} />;
  const ids = data.data.map((one) => one.id);
  const other = build === row.build_id ? ids.find((id) => id < build) : row.build_id;
  // From the older to the newer: what came, and what went.
  const [older, newer] = [build, other ?? build].sort((one, two) => one - two);
  const { from = older ?? build, to = newer ?? build } = chosen;
  return (
    <>
      <h1>{key(row)}</h1>
      <div className="jp-CondaStore-sides">
        <Side name="From" id={from} rows={data.data} choose={(id) => setChosen({ from: id, to })} />
        <Side name="To" id={to} rows={data.data} choose={(id) => setChosen({ from, to: id })} />
      </div>
      <Differences api={api} from={from} to={to} />
    </>
  );
}

function Side(props: {
  name: string;
  id: number;
  rows: Build[];
  choose: (id: number) => void;
}): JSX.Element {
  const { name, id, rows, choose } = props;
  const known = rows.some((row) => row.id === id);
  const options = rows.map((row) => ({
    value: row.id,
    label: `Build ${row.id}, ${date(row.scheduled_on)}`,
  }));
  return (
    <label>
      {name}
      <HTMLSelect
        value={id}
        options={known ? options : [{ value: id, label: `Build ${id}` }, ...options]}
        onChange={(event) => choose(Number(event.currentTarget.value))}
      />
    </label>
  );
}

function Differences({
  api,
  from,
  to,
}: {
  api: CondaStoreApi;
  from: number;
  to: number;
}): JSX.Element {
  const { data, error, retry } = useLoaded(() => difference(api, from, to), `${from} ${to}`);
  if (error || !data) return <Pending error={error} retry={retry} />;
  return (
    <>
      <Table title="Packages" rows={packageLines(data.packages)} />
      <Table title="Specification" rows={specificationLines(data.specification)} />
    </>
  );
}

function Table({ title, rows }: { title: string; rows: Line[] }): JSX.Element {
  return (
    <section>
      <h2>{title}</h2>
      {rows.length === 0 ? (
        <p>The same in both.</p>
      ) : (
        <table>
          <thead>
            <tr>
              {["", "Name", "Before", "After"].map((head): ReactNode => (
                <th key={head} scope="col">
                  {head || <span className="jp-CondaStore-hidden">Change</span>}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map(({ name, kind, before, after }) => (
              <tr key={name} className={`jp-mod-${kind}`}>
                <td>{kind}</td>
                <th scope="row">{name}</th>
                <td>{before}</td>
                <td>{after}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}
