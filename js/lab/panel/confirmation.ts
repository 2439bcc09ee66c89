// A dialog that lets one go on when a word was typed, for what cannot be taken back.
import { Dialog, showDialog } from "@jupyterlab/apputils";
import { Widget } from "@lumino/widgets";

/** JupyterLab's dialogs accept nothing while a field in them is invalid. */
class TypedWord extends Widget implements Dialog.IBodyWidget<string> {
  private readonly field = document.createElement("input");

  constructor(what: string, word: string) {
    super();
    this.addClass("jp-CondaStore-confirmation");
    const label = document.createElement("label");
    const wanted = document.createElement("code");
    const { field } = this;
    wanted.textContent = word;
    field.className = "jp-mod-styled";
    field.required = true;
    field.autocomplete = "off";
    field.pattern = word.replace(/[\^$\\.*+?()[\]{}|/]/g, "\\$&");
    label.append("Type ", wanted, " to confirm:", field);
    const text = document.createElement("p");
    text.textContent = what;
    this.node.append(text, label);
  }

  getValue(): string {
    return this.field.value;
  }

  protected onAfterAttach(): void {
    // The dialog looks at its fields when something is typed: nothing was yet, and that is not enough.
    requestAnimationFrame(() => this.field.dispatchEvent(new Event("input", { bubbles: true })));
  }
}

/** Whether `word` was typed, and the button was pressed. */
export async function confirmed(title: string, what: string, word: string): Promise<boolean> {
  const { button, value } = await showDialog({
    title,
    body: new TypedWord(what, word),
    buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: "Delete" })],
    focusNodeSelector: "input",
  });
  return button.accept && value === word;
}
