// Names of packages, their versions and channels, from what the server has built with.
import type { CompletionContext, CompletionResult } from "@codemirror/autocomplete";

interface Named {
  name: string;
  version?: string;
  summary?: string;
}

const KEYS = ["name", "channels", "dependencies", "description", "variables", "platforms", "image"];
const known = new Map<string, Named[]>();

async function ask(address: string): Promise<Named[]> {
  const found = known.get(address);
  if (found) return found;
  const answer = await fetch(address);
  const data = answer.ok ? ((await answer.json()) as { data: Named[] }).data : [];
  known.set(address, data);
  return data;
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

export async function complete(
  context: CompletionContext,
  api: string,
): Promise<CompletionResult | null> {
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
  if (section === "channels") {
    const channels = await ask(`${api}channel/?size=100`);
    return { from, options: channels.map((one) => ({ label: one.name })) };
  }
  if (section !== "dependencies" || (typed === "" && !context.explicit)) return null;
  const version = /^([A-Za-z0-9_.-]+)(==?|>=|<=|<|>)(.*)$/.exec(typed);
  if (version) {
    const query = `exact=${encodeURIComponent(version[1] ?? "")}&distinct_on=version&sort_by=version&order=desc`;
    const versions = await ask(`${api}package/?${query}&size=50`);
    const start = from + (version[1] ?? "").length + (version[2] ?? "").length;
    return { from: start, options: versions.map((one) => ({ label: one.version ?? "" })) };
  }
  const query = `search=${encodeURIComponent(typed)}&distinct_on=name&sort_by=name&size=50`;
  const packages = await ask(`${api}package/?${query}`);
  return {
    from,
    options: packages.map((one) => ({ label: one.name, detail: one.version, info: one.summary })),
    validFor: /^[\w.-]*$/,
  };
}
