// The editor of an environment.yaml. The text area below it stays what is sent, so that without scripts nothing is missing.
import { autocompletion, closeBrackets, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { yaml } from "@codemirror/lang-yaml";
import { HighlightStyle, bracketMatching, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, linter, type Diagnostic } from "@codemirror/lint";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { EditorView, drawSelection, keymap, lineNumbers, placeholder } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { Completion, enterEndsLine } from "../shared/completion";
import { diagnosticsOf, inWords, type Problem } from "../shared/problems";
import { asker, findProblems } from "./asking";
import { typingOver } from "./typing";

const area = document.querySelector<HTMLTextAreaElement>("textarea[name=specification]");
const form = area?.form;
function edit(area: HTMLTextAreaElement, form: HTMLFormElement): void {
  const home = document.createElement("div");
  home.className = "editor";
  area.before(home);
  area.hidden = true;
  const draft = `conda-store-draft ${form.dataset["draft"] ?? ""}`;
  if (
    area.value === "" &&
    sessionStorage.getItem(draft) !== null &&
    form.dataset["fresh"] !== undefined
  )
    area.value = sessionStorage.getItem(draft) ?? "";
  const view = new EditorView({
    doc: area.value,
    parent: home,
    extensions: [
      EditorView.cspNonce.of(form.dataset["nonce"] ?? ""),
      EditorView.contentAttributes.of({ "aria-label": "environment.yaml or conda-lock.yml" }),
      lineNumbers(),
      history(),
      drawSelection(),
      bracketMatching(),
      closeBrackets(),
      typingOver,
      highlightSelectionMatches(),
      yaml(),
      syntaxHighlighting(colours),
      placeholder(area.placeholder),
      lintGutter(),
      linter((editor) => diagnostics(editor, form), { delay: 300 }),
      enterEndsLine,
      autocompletion({ override: [new Completion(asker(form)).source] }),
      // The tabulator leaves the editor, as it leaves every other field.
      keymap.of([...defaultKeymap, ...historyKeymap, ...searchKeymap, ...completionKeymap]),
      EditorView.updateListener.of((update) => {
        if (!update.docChanged) return;
        area.value = update.state.doc.toString();
        sessionStorage.setItem(draft, area.value);
        markOutcome();
      }),
    ],
  });
  const replace = (text: string): void =>
    view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } });
  takeFiles(form, home, replace);
  form.addEventListener("submit", (event) => {
    const button = event.submitter as HTMLButtonElement | null;
    if (button?.value === "check") {
      event.preventDefault();
      void check(form, button);
    } else sessionStorage.removeItem(draft);
  });
}

/** What was said of the text before it changed stays to be read, but says so. */
function markOutcome(): void {
  const place = document.getElementById("outcome");
  if (!place?.querySelector(".failure, table") || place.querySelector("[data-old]")) return;
  const words = document.createElement("p");
  words.className = "quiet mb-1";
  words.dataset["old"] = "";
  words.textContent = "Before your last changes:";
  place.prepend(words);
}

/** Ask for the page that the form would lead to, and show what it says beside the editor. */
async function check(form: HTMLFormElement, button: HTMLButtonElement): Promise<void> {
  const place = document.getElementById("outcome");
  if (!place || button.classList.contains("disabled")) return;
  const body = new FormData(form, button);
  place.textContent = "Solving…";
  // By words and looks alone: `disabled` would take the focus from whoever is at the keyboard.
  button.classList.add("disabled");
  button.setAttribute("aria-disabled", "true");
  try {
    const answer = await fetch(form.action, { method: "POST", body });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const found = page.getElementById("outcome") ?? page.querySelector("main .failure");
    place.replaceChildren(
      ...(found ? [...found.childNodes] : ["The server gave no answer: try again."]),
    );
  } catch {
    place.textContent = "The server cannot be reached: what you wrote is kept, try again.";
  } finally {
    button.classList.remove("disabled");
    button.removeAttribute("aria-disabled");
  }
}

const colours = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], class: "cs-key" },
  { tag: tags.comment, class: "cs-comment" },
  { tag: [tags.string, tags.content, tags.number], class: "cs-value" },
]);

async function diagnostics(view: EditorView, form: HTMLFormElement): Promise<Diagnostic[]> {
  const text = view.state.doc.toString();
  const found = text.trim() === "" ? [] : await findProblems(form, text);
  showProblems(found);
  return diagnosticsOf(view.state.doc, found);
}

function showProblems(problems: Problem[]): void {
  const list = document.getElementById("problems");
  if (!list) return;
  list.replaceChildren(
    ...problems.map((one) => {
      const item = document.createElement("li");
      item.className = one.is_warning ? "changed" : "removed";
      item.textContent = inWords(one);
      return item;
    }),
  );
}

function takeFiles(
  form: HTMLFormElement,
  home: HTMLElement,
  replace: (text: string) => void,
): void {
  const input = form.querySelector<HTMLInputElement>("input[type=file]");
  const take = async (file: File | undefined): Promise<void> => {
    if (!file) return;
    const text = await readText(file);
    if (text === null) {
      showProblems([
        { message: `${file.name} is not UTF-8 text: save it with the encoding UTF-8.` },
      ]);
      return;
    }
    replace(text);
    // What the editor shows is what is sent.
    if (input) input.value = "";
  };
  input?.addEventListener("change", () => take(input.files?.[0]));
  home.addEventListener("dragover", (event) => {
    event.preventDefault();
    home.classList.add("drop");
  });
  home.addEventListener("dragleave", () => home.classList.remove("drop"));
  home.addEventListener(
    "drop",
    (event) => {
      home.classList.remove("drop");
      if (!event.dataTransfer?.files.length) return;
      event.preventDefault();
      event.stopPropagation();
      void take(event.dataTransfer.files[0]);
    },
    { capture: true },
  );
}

async function readText(file: File): Promise<string | null> {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
  } catch {
    return null;
  }
}

if (area && form) edit(area, form);
