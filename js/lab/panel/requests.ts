// What the panel asks the server for beyond the list of environments.
import type { CondaStoreApi } from "../api";
import type { Build, Image, Package, Page } from "../shapes";

/** Builds of an environment and packages of a build come by pages of this many. */
export const PAGE_SIZE = 25;

/** A way that something differs; the server says the same of specifications and of packages. */
interface Differing<One, Two> {
  added: One[];
  removed: One[];
  changed: Two[];
}

export interface PackageVersion {
  version: string;
  build: string;
  channel: string;
}

export interface Difference {
  specification: Differing<
    { name: string; value: unknown },
    { name: string; before: unknown; after: unknown }
  >;
  packages: Differing<
    PackageVersion & { name: string },
    { name: string; before: PackageVersion; after: PackageVersion }
  >;
}

const query = (values: Record<string, string | number>): string =>
  new URLSearchParams(
    Object.entries(values).map(([name, value]): [string, string] => [name, String(value)]),
  ).toString();

/** A page of builds, the newest first. */
export const builds = (
  api: CondaStoreApi,
  environment: { namespace: string; name: string },
  page: number,
): Promise<Page<Build>> => {
  const { namespace, name } = environment;
  const asked = { namespace, name, sort_by: "id", order: "desc", page, size: PAGE_SIZE };
  return api.json(`api/v1/build/?${query(asked)}`);
};

export const build = (api: CondaStoreApi, id: number): Promise<Build> =>
  api.data(`api/v1/build/${id}/`);

/** A page of the packages of a build whose names hold `search`. */
export const packages = (
  api: CondaStoreApi,
  id: number,
  search: string,
  page: number,
): Promise<Page<Package>> => {
  const asked = { sort_by: "name", page, size: PAGE_SIZE, ...(search && { search }) };
  return api.json(`api/v1/build/${id}/packages/?${query(asked)}`);
};

/** Where the image of a build is pulled from. */
export const image = (api: CondaStoreApi, id: number): Promise<Image> =>
  api.data(`api/v1/build/${id}/docker/`, { headers: { Accept: "application/json" } });

/** Keys of the environments whose current build holds a package of this very name. */
export const holders = async (api: CondaStoreApi, name: string): Promise<Set<string>> => {
  const path = `api/v1/environment/?${query({ packages: name })}`;
  const found = await api.data<{ name: string; namespace: { name: string } }[]>(path);
  return new Set(found.map((row) => `${row.namespace.name}/${row.name}`));
};

export const difference = (api: CondaStoreApi, from: number, to: number): Promise<Difference> =>
  api.data(`api/v1/build/${from}/diff/${to}/`);
