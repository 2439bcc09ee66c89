import { UseSignal } from "@jupyterlab/apputils";
import type { JSX } from "react";
import { key, type EnvironmentsModel } from "../model";

/** All environments, by namespace. */
export function EnvironmentsPanel({ model }: { model: EnvironmentsModel }): JSX.Element {
  return (
    <UseSignal signal={model.changed}>
      {() => (
        <ul>
          {model.environments.map((row) => (
            <li key={key(row)}>
              {key(row)} {row.status}
            </li>
          ))}
        </ul>
      )}
    </UseSignal>
  );
}
