// Settings of the extension: what a user may choose, and beside it the address and state of the connection, to be read.
import type { ISettingRegistry } from "@jupyterlab/settingregistry";
import type { EnvironmentsModel } from "./model";
import type { ConnectionState } from "./shapes";

export const PLUGIN = "conda-store:plugin";

const STATES: Record<ConnectionState["state"], string> = {
  ok: "Connected",
  unreachable: "Not reachable",
  refused: "Refused",
  unconfigured: "Not configured",
};

/** A connection in one line, for people. */
export function stateOf(connection: ConnectionState | null): string {
  if (!connection) return "Not known yet";
  const { state, user, version, message } = connection;
  if (state !== "ok") return message ? `${STATES[state]}: ${message}` : STATES[state];
  return `Connected${user ? ` as ${user}` : ""}${version ? `, conda-store ${version}` : ""}`;
}

/** Follow the settings, and let the settings editor say what one is connected with. */
export async function follow(settings: ISettingRegistry, model: EnvironmentsModel): Promise<void> {
  settings.transform(PLUGIN, {
    fetch: (plugin) => withConnection(plugin, model.connection),
    compose: (plugin) => withValues(plugin, model.connection),
  });
  const found = await settings.load(PLUGIN, true);
  const apply = (): void => model.setSeconds(found.get("pollSeconds").composite as number);
  found.changed.connect(apply);
  apply();
  let said = "";
  const show = (): void => {
    const now = `${model.connection?.url ?? ""} ${stateOf(model.connection)}`;
    if (now === said) return;
    said = now;
    // What the settings editor shows is made from the schema.
    void settings.load(PLUGIN, true);
  };
  model.changed.connect(show);
  show();
}

const shown = (connection: ConnectionState | null): Record<string, string> => ({
  address: connection?.url || "Not configured",
  connection: stateOf(connection),
});

/** The connection as values, whatever a file says: a validator keeps the default values that it saw first. */
export function withValues(
  plugin: ISettingRegistry.IPlugin,
  connection: ConnectionState | null,
): ISettingRegistry.IPlugin {
  const { user, composite } = plugin.data;
  return { ...plugin, data: { user, composite: { ...composite, ...shown(connection) } } };
}

/** The schema, with the connection in the default values of what can only be read. */
export function withConnection(
  plugin: ISettingRegistry.IPlugin,
  connection: ConnectionState | null,
): ISettingRegistry.IPlugin {
  const properties = { ...plugin.schema.properties };
  for (const [name, text] of Object.entries(shown(connection))) {
    const property = properties[name];
    if (property) properties[name] = { ...property, default: text };
  }
  return { ...plugin, schema: { ...plugin.schema, properties } };
}
