// The tabs in which environments are written: opened, restored after a reload, and closed when the build has begun.
import { type ILayoutRestorer, type JupyterFrontEnd } from "@jupyterlab/application";
import { MainAreaWidget, Notification, WidgetTracker } from "@jupyterlab/apputils";
import type { IEditorServices } from "@jupyterlab/codeeditor";
import type { ReadonlyPartialJSONObject } from "@lumino/coreutils";
import { inWords } from "../../shared/problems";
import { condaStoreIcon } from "../icon";
import { CommandIDs, type ICondaStore } from "../tokens";
import { type Draft, type Drafts, EMPTY } from "./drafts";
import { SpecificationForm, type Started } from "./form";
import { CreateWidget } from "./widget";

type Tab = MainAreaWidget<CreateWidget>;

export class CreateTabs {
  readonly tracker = new WidgetTracker<Tab>({ namespace: "conda-store-create" });

  constructor(
    private readonly app: Pick<JupyterFrontEnd, "shell" | "commands">,
    private readonly store: ICondaStore,
    private readonly services: IEditorServices,
    private readonly drafts: Drafts,
  ) {}

  restore(restorer: ILayoutRestorer): void {
    void restorer.restore(this.tracker, {
      command: CommandIDs.create,
      args: ({ content }) => ({ draft: content.parts.draft }),
      name: ({ content }) => content.parts.draft,
    });
  }

  /** Open a tab with what `args` say, or with what was left unsent last. */
  async open(args: ReadonlyPartialJSONObject): Promise<Tab> {
    const given = valuesOf(args);
    const asked = args["draft"] as string | undefined;
    const open = new Set(this.ids());
    const draft =
      asked ?? (given ? null : await this.drafts.newestBut(open)) ?? this.drafts.newId();
    const values = given ?? (await this.drafts.load(draft)) ?? EMPTY;
    const tab = this.make(draft, values);
    this.app.shell.add(tab, "main");
    this.app.shell.activateById(tab.id);
    await this.tracker.add(tab);
    await this.drafts.save(draft, tab.content.parts.form.values);
    return tab;
  }

  private ids(): string[] {
    const found: string[] = [];
    this.tracker.forEach(({ content }) => found.push(content.parts.draft));
    return found;
  }

  private make(draft: string, values: Draft): Tab {
    const form = new SpecificationForm(this.store.api, values);
    const { services, drafts } = this;
    const content = new CreateWidget({ form, drafts, draft, services, model: this.store.model });
    const tab = new MainAreaWidget({ content });
    tab.id = `conda-store-create-${draft}`;
    tab.title.icon = condaStoreIcon;
    tab.title.caption = "A new environment of conda-store";
    tab.title.closable = true;
    const name = () => (tab.title.label = form.values.name || form.nameInFile || "New environment");
    form.changed.connect(name);
    name();
    content.created.connect((_, started) => void this.started(tab, started));
    return tab;
  }

  private async started(tab: Tab, { build_id, warnings }: Started): Promise<void> {
    const { nameInFile, values } = tab.content.parts.form;
    const name = values.name || nameInFile;
    const title = name && values.namespace ? { title: `${values.namespace}/${name}` } : {};
    tab.dispose();
    if (warnings?.length)
      Notification.warning(`Build ${build_id}: ${warnings.map(inWords).join(" ")}`);
    // The list knows what the new one is called, where the form does not.
    await this.store.model.refresh().catch(() => undefined);
    await this.app.commands.execute(CommandIDs.log, { build: build_id, ...title });
  }
}

/** Null when the arguments say nothing of an environment. */
function valuesOf(args: ReadonlyPartialJSONObject): Draft | null {
  const names = ["namespace", "name", "description", "text"] as const;
  const said = names.filter((name) => typeof args[name] === "string");
  if (said.length === 0) return null;
  return { ...EMPTY, ...Object.fromEntries(said.map((name) => [name, args[name]])) };
}
