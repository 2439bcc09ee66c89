// The editor of a specification: JupyterLab's own, with what the server knows.
import { autocompletion } from "@codemirror/autocomplete";
import { lintGutter, setDiagnostics } from "@codemirror/lint";
import type { Extension } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { CodeEditor, CodeEditorWrapper, type IEditorServices } from "@jupyterlab/codeeditor";
import type { CodeMirrorEditor } from "@jupyterlab/codemirror";
import { Completion, enterEndsLine } from "../../shared/completion";
import { diagnosticsOf } from "../../shared/problems";
import type { SpecificationForm } from "./form";

/** Shows and changes the text of `form`. */
export class SpecificationEditor extends CodeEditorWrapper {
  private shown: unknown = null;

  constructor(
    private readonly form: SpecificationForm,
    services: IEditorServices,
  ) {
    const model = new CodeEditor.Model({ mimeType: "text/x-yaml" });
    model.sharedModel.setSource(form.values.text);
    super({
      model,
      factory: services.factoryService.newDocumentEditor,
      editorOptions: { config: { lineNumbers: true }, extensions: extensions(form) },
    });
    this.addClass("jp-CondaStore-editor");
    // The tabulator leaves the editor, as it leaves every other field. Older ones do not know how.
    if ("setTabFocusMode" in this.view) this.view.setTabFocusMode(true);
    model.sharedModel.changed.connect(() => {
      const text = model.sharedModel.getSource();
      if (text !== form.values.text) form.set({ text });
    });
    form.changed.connect(this.reflect);
  }

  private get view(): EditorView {
    return (this.editor as CodeMirrorEditor).editor;
  }

  /** Bring the cursor to a place that the server named. */
  goTo(line: number, column: number): void {
    const { doc } = this.view.state;
    const found = doc.line(Math.min(Math.max(line, 1), doc.lines));
    const anchor = Math.min(found.from + Math.max(column - 1, 0), found.to);
    this.view.dispatch({ selection: { anchor }, scrollIntoView: true });
    this.view.focus();
  }

  private readonly reflect = (): void => {
    const { text } = this.form.values;
    if (text !== this.model.sharedModel.getSource()) this.model.sharedModel.setSource(text);
    if (this.shown === this.form.problems) return;
    this.shown = this.form.problems;
    const { state } = this.view;
    this.view.dispatch(setDiagnostics(state, diagnosticsOf(state.doc, this.form.problems)));
  };

  dispose(): void {
    if (this.isDisposed) return;
    this.form.changed.disconnect(this.reflect);
    super.dispose();
  }
}

function extensions(form: SpecificationForm): Extension[] {
  const completion = new Completion((path) => form.api.json(`api/v1/${path}`));
  return [
    EditorView.contentAttributes.of({ "aria-label": "environment.yaml or conda-lock.yml" }),
    lintGutter(),
    enterEndsLine,
    autocompletion({ override: [completion.source] }),
  ];
}
