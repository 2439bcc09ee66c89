// Names of packages, their versions and channels, from what the server has built with.
import {
  closeCompletion,
  type CompletionContext,
  type CompletionResult,
  selectedCompletion,
} from "@codemirror/autocomplete";
import { type Extension, Prec } from "@codemirror/state";
import { type EditorView, keymap } from "@codemirror/view";

interface Named {
  name: string;
  version?: string;
  summary?: string;
}

/** Asks the REST API, `path` being behind `api/v1/`. */
export type Ask = (path: string) => Promise<{ data: Named[] }>;

const KEYS = ["name", "channels", "dependencies", "description", "variables", "platforms", "image"];

/** Enter ends the line where the word that is offered stands there already. */
export const enterEndsLine: Extension = Prec.highest(keymap.of([{ key: "Enter", run: endLine }]));

function endLine(view: EditorView): boolean {
  const offered = selectedCompletion(view.state)?.label;
  const { head } = view.state.selection.main;
  if (offered && view.state.sliceDoc(Math.max(head - offered.length, 0), head) === offered)
    closeCompletion(view);
  return false;
}

/** Under which key of the top level the line at `position` stands. */
function sectionOf(context: CompletionContext): string {
  const { doc } = context.state;
  for (let number = doc.lineAt(context.pos).number; number > 0; number--) {
    const key = /^([A-Za-z_]+):/.exec(doc.line(number).text);
    if (key?.[1]) return key[1];
  }
  return "";
}

/** Completes what is typed; what was answered once is remembered, and without an answer nothing is offered. */
export class Completion {
  private readonly known = new Map<string, Named[]>();

  constructor(private readonly api: Ask) {}

  readonly source = async (context: CompletionContext): Promise<CompletionResult | null> => {
    const line = context.state.doc.lineAt(context.pos);
    const before = line.text.slice(0, context.pos - line.from);
    const key = /^[a-z]*$/.exec(before);
    if (key) {
      if (!context.explicit && key[0] === "") return null;
      return { from: line.from, options: KEYS.map((label) => ({ label, apply: `${label}: ` })) };
    }
    const entry = /^\s*-\s+(\S*)$/.exec(before);
    if (!entry) return null;
    const typed = entry[1] ?? "";
    const from = context.pos - typed.length;
    const section = sectionOf(context);
    if (section === "channels") return this.channels(from);
    if (section !== "dependencies" || (typed === "" && !context.explicit)) return null;
    const version = /^([A-Za-z0-9_.-]+)(==?|>=|<=|<|>)(.*)$/.exec(typed);
    if (!version) return this.packages(from, typed);
    const [, name = "", operator = ""] = version;
    return this.versions(from + name.length + operator.length, name);
  };

  private async channels(from: number): Promise<CompletionResult> {
    const channels = await this.ask("channel/?size=100");
    return { from, options: channels.map((one) => ({ label: one.name })) };
  }

  private async packages(from: number, typed: string): Promise<CompletionResult> {
    const query = `search=${encodeURIComponent(typed)}&distinct_on=name&sort_by=name&size=50`;
    const packages = await this.ask(`package/?${query}`);
    return {
      from,
      options: packages.map((one) => ({ label: one.name, detail: one.version, info: one.summary })),
      validFor: /^[\w.-]*$/,
    };
  }

  private async versions(from: number, name: string): Promise<CompletionResult> {
    const query = `exact=${encodeURIComponent(name)}&distinct_on=version&sort_by=version&order=desc`;
    const versions = await this.ask(`package/?${query}&size=50`);
    return { from, options: versions.map((one) => ({ label: one.version ?? "" })) };
  }

  private async ask(path: string): Promise<Named[]> {
    const found = this.known.get(path);
    if (found) return found;
    try {
      const { data } = await this.api(path);
      this.known.set(path, data);
      return data;
    } catch {
      return [];
    }
  }
}
