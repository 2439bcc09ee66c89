// Requests to conda-store through the Jupyter server's own extension, which knows address and token.
import { URLExt } from "@jupyterlab/coreutils";
import { ServerConnection } from "@jupyterlab/services";
import { Signal, type ISignal } from "@lumino/signaling";
import type { ConnectionState, Overview, Problem } from "./shapes";

/** What the server refuses, or that it cannot be reached; `message` is for people. */
export class CondaStoreError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly code: string,
    readonly problems: Problem[] = [],
  ) {
    super(message);
    this.name = "CondaStoreError";
  }

  /** Nothing was refused: trying again may help. */
  get isAway(): boolean {
    return this.status === 0 || this.status >= 502;
  }
}

export class CondaStoreApi {
  private etag = "";
  private last: Overview | null = null;
  private readonly onStart = new Signal<this, number>(this);

  constructor(readonly settings: ServerConnection.ISettings = ServerConnection.makeSettings()) {}

  /** A build was started from here. */
  get started(): ISignal<this, number> {
    return this.onStart;
  }

  /** The address of `path`, such as `api/v1/build/7/`, at the Jupyter server. */
  address(path: string): string {
    return URLExt.join(this.settings.baseUrl, "conda-store", path);
  }

  /** The same for an event source, which sends no headers: under a Hub it proves here that a page of Jupyter asks. */
  streamAddress(path: string): string {
    const proof = /\b_xsrf=([^;]*)/.exec(document.cookie)?.[1];
    return this.address(path) + (proof ? `?_xsrf=${encodeURIComponent(proof)}` : "");
  }

  /** Where conda-store is, and whether it answers. */
  async connection(): Promise<ConnectionState> {
    return (await (await this.fetch("connection/")).json()) as ConnectionState;
  }

  /** All environments that one may read; the same object as before when nothing has changed. */
  async overview(): Promise<Overview> {
    const headers: Record<string, string> = this.etag ? { "If-None-Match": this.etag } : {};
    const answer = await this.fetch("api/v1/overview/", { headers });
    if (answer.status === 304 && this.last) return this.last;
    this.last = ((await answer.json()) as { data: Overview }).data;
    this.etag = answer.headers.get("ETag") ?? "";
    return this.last;
  }

  /** The whole JSON answer. */
  async json<T>(path: string, init: RequestInit = {}): Promise<T> {
    return (await (await this.fetch(path, init)).json()) as T;
  }

  /** `data` of an answer in the envelope of the REST API. */
  async data<T>(path: string, init: RequestInit = {}): Promise<T> {
    return (await this.json<{ data: T }>(path, init)).data;
  }

  /** Send `body` as JSON, and return `data` of the answer. */
  async send<T>(method: "POST" | "PUT" | "DELETE", path: string, body?: unknown): Promise<T> {
    const json = { "Content-Type": "application/json" };
    const sent = body === undefined ? {} : { headers: json, body: JSON.stringify(body) };
    const data = await this.data<T & Started>(path, { method, ...sent });
    // What makes a build, and nothing else, answers with its number.
    if (typeof data?.build_id === "number") this.onStart.emit(data.build_id);
    return data;
  }

  /** The answer to a request. Throws `CondaStoreError` for all that is no success. */
  async fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const { settings } = this;
    let answer: Response;
    try {
      answer = await ServerConnection.makeRequest(this.address(path), init, settings);
    } catch (error) {
      if (init.signal?.aborted) throw error;
      throw new CondaStoreError("Your Jupyter server does not answer.", 0, "jupyter_unreachable");
    }
    if (answer.ok || answer.status === 304) return answer;
    throw await refusal(answer);
  }
}

type Started = { build_id?: number } | null;

async function refusal(answer: Response): Promise<CondaStoreError> {
  const said = (await answer.json().catch(() => ({}))) as {
    message?: string;
    code?: string;
    errors?: Problem[];
  };
  const message = said.message ?? `The server answered ${answer.status} ${answer.statusText}.`;
  return new CondaStoreError(message, answer.status, said.code ?? "", said.errors ?? []);
}
