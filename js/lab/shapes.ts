// What the server answers with (REST API of conda-store, api/openapi.json), as far as the panel uses it.

export type Status = "QUEUED" | "BUILDING" | "COMPLETED" | "FAILED" | "CANCELED";

/** Why the panel has no environments, when it has none: `message` is for people. */
export interface ConnectionState {
  url: string;
  state: "ok" | "unreachable" | "refused" | "unconfigured";
  message: string;
  user: string | null;
  version: string | null;
}

/** A row of `overview/`: an environment, its current build and its newest one. */
export interface EnvironmentRow {
  namespace: string;
  name: string;
  description: string;
  /** The current build. */
  build_id: number;
  status: Status;
  /** Of the current build, in bytes. */
  size: number;
  scheduled_on: string;
  ended_on: string | null;
  /** Of the current build: its files are gone. */
  deleted_on: string | null;
  /** The newest build; it may be the current one. */
  newest_id: number;
  newest_status: Status;
  /** The caller's there. */
  role: string;
}

export interface Overview {
  environments: EnvironmentRow[];
  /** Permissions such as `environment::update` of each role. */
  roles: Record<string, string[]>;
  /** Namespaces in which the caller may create environments, their own first. */
  writable: string[];
}

export interface Build {
  id: number;
  environment_id: number;
  specification: { name: string; spec: Record<string, unknown>; sha256: string } | null;
  status: Status;
  status_info: string | null;
  size: number;
  scheduled_on: string;
  started_on: string | null;
  ended_on: string | null;
  build_artifacts: { artifact_type: string; key: string; state: string; size: number }[] | null;
}

export interface Package {
  name: string;
  version: string;
  build: string;
  license: string | null;
  summary: string;
  channel: { name: string };
}

export interface Image {
  image: string;
  digest: string | null;
  tags: string[];
}

export interface Page<T> {
  data: T[];
  page: number;
  size: number;
  count: number;
}

/** One thing that is wrong with a file; line and column from 1. */
export interface Problem {
  message: string;
  line: number | null;
  column: number | null;
  path: string | null;
}

export interface NewSpecification {
  specification: string;
  namespace?: string;
  is_lockfile?: boolean;
  environment_name?: string;
  environment_description?: string;
}
