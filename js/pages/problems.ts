// What the server says of a file while it is written.

export interface Problem {
  message: string;
  line?: number | null;
  column?: number | null;
  is_warning?: boolean;
}

interface Checked {
  data: { problems: Problem[]; warnings: Problem[] };
}

let last: AbortController | undefined;

/** Everything that is wrong with `text` where the form would send it; nothing when the server cannot be asked. */
export async function findProblems(form: HTMLFormElement, text: string): Promise<Problem[]> {
  last?.abort();
  last = new AbortController();
  const fields = new FormData(form);
  const body = {
    specification: text,
    namespace: fields.get("namespace") || undefined,
    environment_name: fields.get("environment_name") || undefined,
  };
  try {
    const answer = await fetch(`${form.dataset["api"]}specification/check/`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      signal: last.signal,
    });
    if (!answer.ok) return [];
    const found = ((await answer.json()) as Checked).data;
    const warnings = found.warnings.map((one) => ({ ...one, is_warning: true }));
    return [...found.problems, ...warnings];
  } catch {
    return [];
  }
}
