// What every component of the panel reaches without being handed it.
import type { CommandRegistry } from "@lumino/commands";
import type { ReadonlyPartialJSONObject } from "@lumino/coreutils";
import { createContext, useContext } from "react";
import type { EnvironmentsModel } from "../model";
import type { PanelView } from "./view";

export interface PanelSurroundings {
  model: EnvironmentsModel;
  view: PanelView;
  commands: CommandRegistry;
}

export const PanelContext = createContext<PanelSurroundings | null>(null);

export function usePanel(): PanelSurroundings {
  const found = useContext(PanelContext);
  if (!found) throw new Error("This component stands outside of the panel.");
  return found;
}

/** Run a command where it exists: in an application that lacks one of our plugins there is none. */
export const execute = (
  commands: CommandRegistry,
  id: string,
  args: ReadonlyPartialJSONObject = {},
): void => {
  if (commands.hasCommand(id)) void commands.execute(id, args);
};
