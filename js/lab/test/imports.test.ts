import { expect, test } from "vitest";
import { librariesOf, modulesOf } from "../create/imports";
import { candidates, wellKnown } from "../create/names";
import { draftOfImports } from "../create/notebook";
import { FakeServer } from "./fake";

test.each([
  ["import numpy", ["numpy"]],
  ["import a.b as c, d", ["a", "d"]],
  ["from x.y import (\n  import_me,\n  other,\n)", ["x"]],
  ["import numpy as np; import pandas as pd", ["numpy", "pandas"]],
  ["try:\n    import cupy\nexcept ImportError:\n\timport numpy", ["cupy", "numpy"]],
  ["if True: import torch", ["torch"]],
  ["import os, sys\nfrom collections.abc import Mapping", []],
  ["from . import mine\nfrom .other import x", []],
  ["from __future__ import annotations\nimport _private", []],
  ['"""\nimport words\n"""\nimport real', ["real"]],
  ["text = 'import words'\n# import comment", []],
  ["import \\\n    long_one", ["long_one"]],
  ["%%bash\nimport pictures", []],
  ["%%time\nimport numpy", ["numpy"]],
  ["%%capture out\nimport numpy", ["numpy"]],
  ["%matplotlib inline\n!import x\nimport matplotlib.pyplot as plt", ["matplotlib"]],
  ["important = 1\nfrom_here = 2", []],
  ["yield_from = [x for x in y]\nresult = yield_from", []],
])("modules of %j", (cell, modules) => {
  expect(modulesOf([cell])).toEqual(modules);
});

test("modules of several cells come once, sorted", () => {
  expect(modulesOf(["import b", "import a\nimport b.c"])).toEqual(["a", "b"]);
});

test("a long cell takes no time", () => {
  const cell = `${"x = 'a' + \"b\" # no import\n".repeat(20_000)}import numpy`;
  expect(modulesOf([cell])).toEqual(["numpy"]);
});

test("libraries of R, without those that R brings along", () => {
  const cell =
    'library(ggplot2)\nrequire("data.table")\nlibrary(stats)\n# library(no)\ndplyr::filter(x)';
  expect(librariesOf([cell])).toEqual(["data.table", "dplyr", "ggplot2"]);
});

test("packages that are called otherwise than their modules", () => {
  const names = ["sklearn", "PIL", "cv2", "yaml", "numpy", "My_tool"].map(wellKnown);
  expect(names).toEqual(["scikit-learn", "pillow", "opencv", "pyyaml", "numpy", undefined]);
  expect(candidates("My_tool")).toEqual(["my_tool", "my-tool", "python-my_tool"]);
});

function knowing(...names: string[]): FakeServer {
  return new FakeServer().on("GET api/v1/package/", ({ query }) => {
    const count = names.includes(query.get("exact") ?? "") ? 1 : 0;
    return Response.json({ data: [], page: 1, size: 1, count });
  });
}

const notebook = {
  cells: ["import sklearn, my_tool, numpy", "import mine"],
  language: "python",
  version: "3.12.4",
  path: "work/Über das Wetter.ipynb",
};

test("a notebook becomes a specification; what is known nowhere is there as a comment", async () => {
  const { api } = knowing("my-tool");
  const { text, name } = await draftOfImports(api, notebook);
  expect(name).toBe("ber-das-Wetter");
  expect(text).toBe(`dependencies:
  - python=3.12
  - ipykernel
  - my-tool
  - numpy
  - scikit-learn
  # Imported, but no package of this name is known here. Name the packages they come from:
  # - mine
`);
});

test("while conda-store is away the likeliest names are taken", async () => {
  const server = knowing();
  server.isAway = true;
  const { text } = await draftOfImports(server.api, { ...notebook, version: "" });
  expect(text).toBe(
    "dependencies:\n  - python\n  - ipykernel\n  - mine\n  - my_tool\n  - numpy\n  - scikit-learn\n",
  );
});

test("a notebook of R gets R and its kernel", async () => {
  const { api } = knowing("r-ggplot2");
  const cells = ["library(ggplot2)"];
  const { text } = await draftOfImports(api, { ...notebook, cells, language: "R" });
  expect(text).toBe("dependencies:\n  - r-base\n  - r-irkernel\n  - r-ggplot2\n");
});
