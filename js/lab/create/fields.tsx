import { UseSignal } from "@jupyterlab/apputils";
import { type JSX, useId } from "react";
import type { EnvironmentsModel } from "../model";
import type { SpecificationForm } from "./form";

interface Props {
  form: SpecificationForm;
  model: EnvironmentsModel;
}

/** Where the environment goes and how it is called. */
export function Fields({ form, model }: Props): JSX.Element {
  const draw = () => (
    <div className="jp-CondaStore-fields">
      <Namespace form={form} model={model} />
      <Field
        label="Name"
        value={form.values.name}
        placeholder={form.nameInFile || "as in the file"}
        onChange={(name) => form.set({ name })}
      />
      <Field
        label="Description"
        value={form.values.description}
        placeholder="for those who choose it"
        onChange={(description) => form.set({ description })}
      />
    </div>
  );
  return (
    <UseSignal signal={model.changed}>
      {() => <UseSignal signal={form.changed}>{draw}</UseSignal>}
    </UseSignal>
  );
}

function Namespace({ form, model }: Props): JSX.Element {
  const id = useId();
  const { namespace } = form.values;
  const isKnown = namespace === "" || model.writable.includes(namespace);
  return (
    <div className="jp-CondaStore-field">
      <label htmlFor={id}>Namespace</label>
      <div className="jp-select-wrapper">
        <select
          id={id}
          className="jp-mod-styled"
          value={namespace}
          disabled={model.writable.length === 0 && isKnown}
          onChange={(event) => form.set({ namespace: event.target.value })}
        >
          {namespace === "" && <option value="">{whyNone(model)}</option>}
          {!isKnown && <option value={namespace}>{namespace} (you may not create there)</option>}
          {model.writable.map((one) => (
            <option key={one}>{one}</option>
          ))}
        </select>
      </div>
    </div>
  );
}

function whyNone(model: EnvironmentsModel): string {
  if (model.writable.length) return "your own";
  if (model.connection?.state === "ok") return "you may create environments nowhere";
  return model.connection ? "conda-store does not answer" : "asking conda-store…";
}

interface FieldProps {
  label: string;
  value: string;
  placeholder: string;
  onChange: (value: string) => void;
}

function Field({ label, value, placeholder, onChange }: FieldProps): JSX.Element {
  const id = useId();
  return (
    <div className="jp-CondaStore-field">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        className="jp-mod-styled"
        value={value}
        placeholder={placeholder}
        autoComplete="off"
        spellCheck={false}
        onChange={(event) => onChange(event.target.value)}
      />
    </div>
  );
}
