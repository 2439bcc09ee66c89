import { caretDownIcon, caretRightIcon } from "@jupyterlab/ui-components";
import { type JSX, type ReactNode, useState } from "react";

/** A part that is only made when somebody opens it. */
export function Disclosure(props: {
  title: string;
  isOpenAtFirst?: boolean;
  children: ReactNode;
}): JSX.Element {
  const { title, isOpenAtFirst = false, children } = props;
  const [isOpen, setOpen] = useState(isOpenAtFirst);
  const Icon = (isOpen ? caretDownIcon : caretRightIcon).react;
  return (
    <section className="jp-CondaStore-disclosure">
      <button
        className="jp-CondaStore-disclosureButton"
        aria-expanded={isOpen}
        onClick={() => setOpen(!isOpen)}
      >
        <Icon tag="span" className="jp-CondaStore-caret" />
        {title}
      </button>
      {isOpen && children}
    </section>
  );
}
