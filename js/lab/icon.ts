import { LabIcon } from "@jupyterlab/ui-components";
import svg from "./style/icon.svg";

export const condaStoreIcon = new LabIcon({ name: "conda-store:icon", svgstr: svg });
