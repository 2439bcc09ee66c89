// One tab for each build that somebody looks at; a reload opens them again.
import type { ILayoutRestorer, JupyterFrontEnd } from "@jupyterlab/application";
import { MainAreaWidget, WidgetTracker } from "@jupyterlab/apputils";
import type { ReadonlyPartialJSONObject } from "@lumino/coreutils";
import { condaStoreIcon } from "../icon";
import { key } from "../model";
import { CommandIDs } from "../tokens";
import { BuildModel } from "./build";
import { type Means, stepsOf } from "./steps";
import { BuildWidget } from "./widget";

type Tab = MainAreaWidget<BuildWidget>;

export class BuildTabs {
  readonly tracker = new WidgetTracker<Tab>({ namespace: "conda-store-builds" });

  /** `running` is told of builds that somebody looks at while they go on. */
  constructor(
    private readonly app: Pick<JupyterFrontEnd, "shell">,
    private readonly means: Omit<Means, "namespace">,
    private readonly running: (build: number) => void,
  ) {}

  restore(restorer: ILayoutRestorer): void {
    void restorer.restore(this.tracker, {
      command: CommandIDs.log,
      args: (tab) => ({ build: tab.content.build.id, title: tab.title.label.split(" #")[0]! }),
      name: (tab) => String(tab.content.build.id),
    });
  }

  async open(args: ReadonlyPartialJSONObject): Promise<Tab | undefined> {
    const id = Number(args["build"]);
    if (!Number.isInteger(id) || id < 1) return undefined;
    let tab = this.tracker.find(({ content }) => content.build.id === id);
    if (!tab) {
      tab = this.make(id, (args["title"] as string | undefined) ?? this.titleOf(id));
      this.app.shell.add(tab, "main");
      await this.tracker.add(tab);
    }
    this.app.shell.activateById(tab.id);
    return tab;
  }

  private titleOf(id: number): string {
    const { environments } = this.means.store.model;
    const row = environments.find((one) => one.newest_id === id || one.build_id === id);
    return row ? key(row) : "conda-store";
  }

  private make(id: number, title: string): Tab {
    const build = new BuildModel(this.means.store.api, id);
    const namespace = title.includes("/") ? title.split("/")[0]! : "";
    const means = { ...this.means, namespace };
    const tab = new MainAreaWidget({
      content: new BuildWidget(build, title, () => stepsOf(build, means)),
    });
    tab.id = `conda-store-build-${id}`;
    tab.title.icon = condaStoreIcon;
    tab.title.label = `${title} #${id}`;
    tab.title.closable = true;
    build.changed.connect(() => {
      tab.title.caption = `Build ${id} of ${title}: ${build.status ?? "unknown"}`;
      if (build.isRunning) this.running(id);
    });
    return tab;
  }
}
