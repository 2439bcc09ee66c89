import { Button } from "@jupyterlab/ui-components";
import type { JSX } from "react";
import { PAGE_SIZE } from "./requests";

/** What is shown while something is on its way, and when it does not come. */
export function Pending({ error, retry }: { error: string; retry: () => void }): JSX.Element {
  if (!error) return <p className="jp-CondaStore-pending">Loading…</p>;
  return (
    <p className="jp-CondaStore-pending" role="alert">
      <span title={error}>{error}</span>{" "}
      <Button small onClick={retry}>
        Try again
      </Button>
    </p>
  );
}

/** Ways to the page before and the page after, where there are any. */
export function Pages(props: {
  page: number;
  count: number;
  show: (page: number) => void;
  what: string;
}): JSX.Element | null {
  const { page, count, show, what } = props;
  const last = Math.ceil(count / PAGE_SIZE);
  if (last <= 1) return null;
  return (
    <nav className="jp-CondaStore-pages" aria-label={`Pages of ${what}`}>
      <Button small minimal disabled={page <= 1} onClick={() => show(page - 1)}>
        Previous
      </Button>
      <span>
        {page} / {last}
      </span>
      <Button small minimal disabled={page >= last} onClick={() => show(page + 1)}>
        Next
      </Button>
    </nav>
  );
}
