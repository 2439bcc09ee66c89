// What the form of a specification asks the server for while it is written.
import type { Ask } from "../shared/completion";
import { allOf, type Checked, type Problem } from "../shared/problems";

/** Asks below the address that the form names. */
export const asker =
  (form: HTMLFormElement): Ask =>
  async (path) => {
    const answer = await fetch(`${form.dataset["api"]}${path}`);
    if (!answer.ok) throw new Error(answer.statusText);
    return (await answer.json()) as Awaited<ReturnType<Ask>>;
  };

let last: AbortController | undefined;

/** Everything that is wrong with `text` where the form would send it; nothing when the server cannot be asked. */
export async function findProblems(form: HTMLFormElement, text: string): Promise<Problem[]> {
  last?.abort();
  last = new AbortController();
  const fields = new FormData(form);
  const body = {
    specification: text,
    namespace: fields.get("namespace") || undefined,
    environment_name: fields.get("environment_name") || fields.get("name") || undefined,
  };
  try {
    const answer = await fetch(`${form.dataset["api"]}specification/check/`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      signal: last.signal,
    });
    return answer.ok ? allOf(((await answer.json()) as { data: Checked }).data) : [];
  } catch {
    return [];
  }
}
