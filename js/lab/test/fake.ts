// A Jupyter server for tests: it answers what they say, and remembers what it was asked.
import { ServerConnection } from "@jupyterlab/services";
import { CondaStoreApi } from "../api";
import type { EnvironmentRow, Overview } from "../shapes";

export interface Asked {
  method: string;
  /** Behind `conda-store/`, without the query. */
  path: string;
  query: URLSearchParams;
  body: unknown;
}

/** A `Response`, or `data` of the envelope; an `Error` is one of the network. */
export type Answer = (asked: Asked) => unknown;

export class FakeServer {
  readonly asked: Asked[] = [];
  /** conda-store behind the Jupyter server does not answer. */
  isAway = false;
  readonly api: CondaStoreApi;
  private readonly answers = new Map<string, Answer>();

  constructor() {
    const settings = ServerConnection.makeSettings({
      baseUrl: "http://jupyter/",
      fetch: (request) => this.answer(request as Request),
    });
    this.api = new CondaStoreApi(settings);
    const state = { url: "http://store/", message: "", user: "ana", version: "1" };
    this.on("GET connection/", () => Response.json({ ...state, state: "ok" }));
    this.overview({});
  }

  /** Answer `call`, such as `POST api/v1/specification/`, with what `answer` returns. */
  on(call: string, answer: Answer): this {
    this.answers.set(call, answer);
    return this;
  }

  overview(more: Partial<Overview>): this {
    const data = { environments: [], roles: { viewer: ["environment::read"] }, writable: ["ana"] };
    return this.on("GET api/v1/overview/", () => ({ ...data, ...more }));
  }

  /** What was asked of `call`, such as `PUT api/v1/build/7/cancel/`, each time. */
  calls(call: string): Asked[] {
    return this.asked.filter(({ method, path }) => `${method} ${path}` === call);
  }

  private async answer(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const text = await request.text();
    const path = pathname.replace(/^.*?\/conda-store\//, "");
    const body: unknown = text ? JSON.parse(text) : undefined;
    const asked = { method: request.method, path, query: searchParams, body };
    this.asked.push(asked);
    if (this.isAway) return refused(502, "No way to conda-store.", "conda_store_unreachable");
    const answer = this.answers.get(`${asked.method} ${path}`);
    if (!answer) return refused(404, `The fake knows no ${asked.method} ${path}.`);
    const said = await answer(asked);
    if (said instanceof Error) throw said;
    return said instanceof Response ? said : Response.json({ status: "ok", data: said });
  }
}

/** An answer as the server refuses. */
export const refused = (
  status: number,
  message: string,
  code = "",
  errors: object[] = [],
): Response => Response.json({ status: "error", message, code, data: null, errors }, { status });

export const row = (more: Partial<EnvironmentRow> = {}): EnvironmentRow => ({
  namespace: "data",
  name: "course",
  description: "",
  build_id: 1,
  status: "COMPLETED",
  size: 0,
  scheduled_on: "2026-01-01T00:00:00",
  ended_on: null,
  deleted_on: null,
  newest_id: 1,
  newest_status: "COMPLETED",
  role: "viewer",
  ...more,
});
