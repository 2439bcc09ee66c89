// What the server says of a file while it is written (`specification/check/`).
import type { Diagnostic } from "@codemirror/lint";
import type { Text } from "@codemirror/state";

export interface Problem {
  message: string;
  line?: number | null;
  column?: number | null;
  is_warning?: boolean;
}

/** The server's answer. */
export interface Checked {
  name?: string | null;
  problems: Problem[];
  warnings: Problem[];
}

/** All that was found, in one list, mistakes first. */
export const allOf = (found: Checked): Problem[] => [
  ...found.problems,
  ...found.warnings.map((one) => ({ ...one, is_warning: true })),
];

export const inWords = (one: Problem): string =>
  one.line ? `line ${one.line}: ${one.message}` : one.message;

/** Problems at their places in `doc`, which may have changed since. */
export function diagnosticsOf(doc: Text, problems: readonly Problem[]): Diagnostic[] {
  return problems.map((one) => {
    const line = doc.line(Math.min(Math.max(one.line ?? 1, 1), doc.lines));
    const from = Math.min(line.from + Math.max((one.column ?? 1) - 1, 0), line.to);
    const severity = one.is_warning ? ("warning" as const) : ("error" as const);
    return { from, to: line.to, severity, message: one.message };
  });
}
