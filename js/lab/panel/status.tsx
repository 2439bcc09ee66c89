import {
  checkIcon,
  circleEmptyIcon,
  errorIcon,
  type LabIcon,
  stopIcon,
} from "@jupyterlab/ui-components";
import type { JSX } from "react";
import type { Status } from "../shapes";
import { STATUS_WORDS } from "./words";

const ICONS: Record<Status, LabIcon | null> = {
  QUEUED: circleEmptyIcon,
  // Turns; see panel.css.
  BUILDING: null,
  COMPLETED: checkIcon,
  FAILED: errorIcon,
  CANCELED: stopIcon,
};

/** A state as a picture, with its word for those who hear it. */
export function StatusIcon({ status, hint }: { status: Status; hint?: string }): JSX.Element {
  const Icon = ICONS[status]?.react;
  const word = hint ?? STATUS_WORDS[status];
  return (
    <span
      className={`jp-CondaStore-state jp-mod-${status.toLowerCase()}`}
      role="img"
      aria-label={word}
      title={word}
    >
      {Icon ? <Icon tag="span" /> : <span className="jp-CondaStore-turning" />}
    </span>
  );
}
