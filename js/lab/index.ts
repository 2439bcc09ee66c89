// The plugins of the JupyterLab extension; what each does stands in its own module.
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import { ISettingRegistry } from "@jupyterlab/settingregistry";
import { CondaStoreApi } from "./api";
import { createPlugin } from "./create/plugin";
import { kernelsPlugin } from "./kernels/plugin";
import { logPlugin } from "./log/plugin";
import { EnvironmentsModel } from "./model";
import { panelPlugin } from "./panel/plugin";
import { follow, PLUGIN } from "./settings";
import { ICondaStore } from "./tokens";

const storePlugin: JupyterFrontEndPlugin<ICondaStore> = {
  id: PLUGIN,
  description: "Keeps the environments of conda-store up to date.",
  autoStart: true,
  optional: [ISettingRegistry],
  provides: ICondaStore,
  activate: (app: JupyterFrontEnd, settings: ISettingRegistry | null): ICondaStore => {
    const api = new CondaStoreApi(app.serviceManager.serverSettings);
    const model = new EnvironmentsModel(api);
    void app.restored.then(() => model.start());
    if (settings) void follow(settings, model);
    return { api, model };
  },
};

export default [storePlugin, panelPlugin, createPlugin, logPlugin, kernelsPlugin];
export { ICondaStore };
