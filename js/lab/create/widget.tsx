import { ReactWidget } from "@jupyterlab/apputils";
import type { IEditorServices } from "@jupyterlab/codeeditor";
import { Debouncer } from "@lumino/polling";
import { Signal, type ISignal } from "@lumino/signaling";
import { Panel } from "@lumino/widgets";
import type { EnvironmentsModel } from "../model";
import type { Drafts } from "./drafts";
import { SpecificationEditor } from "./editor";
import { Fields } from "./fields";
import { Findings } from "./findings";
import type { SpecificationForm, Started } from "./form";

const SAVE_DELAY = 200;

export interface Parts {
  form: SpecificationForm;
  model: EnvironmentsModel;
  services: IEditorServices;
  drafts: Drafts;
  /** The name of the draft. */
  draft: string;
}

/** "New environment": fields above, the editor, and beside it what the server says. */
export class CreateWidget extends Panel {
  readonly editor: SpecificationEditor;
  private readonly onCreate = new Signal<this, Started>(this);
  private readonly saving: Debouncer;
  private readonly textAtFirst: string;
  private isSent = false;

  constructor(readonly parts: Parts) {
    super();
    const { form, model, services } = parts;
    this.textAtFirst = form.values.text;
    this.addClass("jp-CondaStore-create");
    this.editor = new SpecificationEditor(form, services);
    const fields = ReactWidget.create(<Fields form={form} model={model} />);
    const goTo = (line: number, column: number) => this.editor.goTo(line, column);
    const findings = ReactWidget.create(
      <Findings form={form} goTo={goTo} create={() => void this.create()} />,
    );
    findings.addClass("jp-CondaStore-findings");
    [fields, this.editor, findings].forEach((one) => this.addWidget(one));
    this.saving = new Debouncer(() => this.save(), SAVE_DELAY);
    form.changed.connect(() => void this.saving.invoke());
    model.changed.connect(this.choose);
    this.choose();
  }

  /** The build was started. */
  get created(): ISignal<this, Started> {
    return this.onCreate;
  }

  dispose(): void {
    if (this.isDisposed) return;
    this.parts.model.changed.disconnect(this.choose);
    this.saving.dispose();
    if (!this.isSent) void this.leave();
    this.parts.form.dispose();
    Signal.clearData(this);
    super.dispose();
  }

  private save(): Promise<void> {
    return this.parts.drafts.save(this.parts.draft, { ...this.parts.form.values });
  }

  /** Whoever closes a tab with work in it finds it in the next one. */
  private leave(): Promise<void> {
    const { form, drafts, draft } = this.parts;
    const isTouched = form.values.text !== this.textAtFirst && form.values.text.trim() !== "";
    return isTouched ? this.save() : drafts.remove(draft);
  }

  /** One's own namespace is where an environment goes unless another is chosen. */
  private readonly choose = (): void => {
    const { form, model } = this.parts;
    const first = model.writable[0];
    if (form.values.namespace === "" && first) form.set({ namespace: first });
  };

  private async create(): Promise<void> {
    const { form, drafts, draft } = this.parts;
    const started = await form.create();
    if (!started || this.isDisposed) return;
    this.isSent = true;
    this.saving.dispose();
    await drafts.remove(draft);
    this.onCreate.emit(started);
  }
}
