// Typing over a selection: Chromium would keep its look by a style attribute, which the policy of our pages forbids.
import type { EditorState, Transaction } from "@codemirror/state";
import { EditorView } from "@codemirror/view";

export const typingOver = EditorView.domEventHandlers({
  beforeinput(event, view) {
    const { data, inputType, isComposing } = event;
    const { from, to, empty } = view.state.selection.main;
    if (inputType !== "insertText" || isComposing || !data || empty) return false;
    const insert = (): Transaction => replaced(view.state, data);
    const handlers = view.state.facet(EditorView.inputHandler);
    if (!handlers.some((handle) => handle(view, from, to, data, insert))) view.dispatch(insert());
    event.preventDefault();
    return true;
  },
});

function replaced(state: EditorState, text: string): Transaction {
  const change = state.replaceSelection(text);
  return state.update(change, { userEvent: "input.type", scrollIntoView: true });
}
