// What was typed and not sent yet, kept where JupyterLab keeps its layout: a reload loses nothing.
import type { IStateDB } from "@jupyterlab/statedb";

export interface Draft {
  namespace: string;
  name: string;
  description: string;
  text: string;
}

export const EMPTY: Draft = { namespace: "", name: "", description: "", text: "" };

const SPACE = "conda-store-drafts";
let made = 0;

export class Drafts {
  /** Without a database nothing is kept. */
  constructor(private readonly database: IStateDB | null) {}

  /** A new name of a draft; later ones sort behind earlier ones. */
  newId(): string {
    return `${Date.now().toString(36)}-${(made++).toString(36)}`;
  }

  async load(id: string): Promise<Draft | null> {
    const found = (await this.database?.fetch(`${SPACE}:${id}`)) as Partial<Draft> | undefined;
    return found ? { ...EMPTY, ...found } : null;
  }

  async save(id: string, draft: Draft): Promise<void> {
    await this.database?.save(`${SPACE}:${id}`, { ...draft });
  }

  async remove(id: string): Promise<void> {
    await this.database?.remove(`${SPACE}:${id}`);
  }

  /** The newest one that is not among `open`: its tab was closed before it was sent. */
  async newestBut(open: ReadonlySet<string>): Promise<string | null> {
    const { ids } = (await this.database?.list(SPACE)) ?? { ids: [] };
    const names = ids.map((id) => id.slice(SPACE.length + 1)).filter((id) => !open.has(id));
    return names.sort().at(-1) ?? null;
  }
}
