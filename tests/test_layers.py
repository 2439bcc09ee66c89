"""Imports point one way (design: the table below), and this reads every module to see it, deferred imports included."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import conda_store
import conda_store_labextension

PACKAGE = "conda_store"

# Top first: a part imports itself and what stands below it. A new part needs a place here.
ORDER = [
    "__main__",
    "cli",
    "demo",
    "terminal",
    "database_command",
    "collection_command",
    "app",
    "configuration",
    "limits",
    "image_builder",
    "policy_options",
    "audit_options",
    "folder_watching",
    "collection_options",
    "shown_options",
    "option_names",
    "service",
    "registry_processes",
    "hub",
    "managed_service",
    "client_commands",
    "client",
    "handlers",
    "managers",
    "auth",
    "executors",
    "builds",
    "db",
    "registry",
    "pieces",
    "packages",
    "storage",
    "specification",
    "setting_fields",
    "settings",
    "policy_settings",
    "audit",
    "inputs",
    "differences",
    "garbage",
    "glances",
    "models",
    "environment_yaml",
    "image_yaml",
    "image_options",
    "image_options_grammar",
    "requirements",
    "sealing",
    "secret_options",
    "specification_grammar",
    "yaml_marks",
    "errors",
    "_version",
]
BELOW_ALL = set(ORDER[ORDER.index("specification") :])
# The client is installed beside a user's own packages, without what the server needs.
CLIENT = {"client", "errors", "_version"}
# Parts that import less than their place would allow.
NARROWER = {
    "hub": BELOW_ALL | CLIENT,
    "client_commands": CLIENT,
    "client": CLIENT,
    "handlers": set(ORDER[ORDER.index("managers") :]) - {"db"},
    "auth": BELOW_ALL,
    "db": BELOW_ALL,
    "storage": {"errors"},
    "yaml_marks": {"errors"},
    "errors": set[str](),
    "_version": set[str](),
}
# What a Jupyter server loads lies beside a user's own packages, too.
EXTENSION = "conda_store_labextension"
# Distributions that one part alone imports.
RESERVED = {"rattler": "packages", "uv": "packages"}
# Runs inside an environment's python, where there is no conda-store.
ALONE = "pieces/compile_modules.py"


def offences(root: Path) -> list[str]:
    """Every import in the package at `root` that the table does not allow, as `file:line: reason`."""
    found = []
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root).as_posix()
        part = name.partition("/")[0].removesuffix(".py")
        for line, module in imports_of(path, root):
            if fault := fault_of(name, part, module, root.name):
                found.append(f"{root.name}/{name}:{line}: {fault}")
    return found


def imports_of(path: Path, root: Path) -> Iterator[tuple[int, str]]:
    """(line, absolute name) of everything that a module imports anywhere in it."""
    package = [root.name, *path.relative_to(root).parent.parts]
    for node in ast.walk(ast.parse(path.read_bytes(), str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and named(node.func) in ("import_module", "__import__"):
            # A name that is only known at run time could be any: it counts as everything.
            name = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else f"{PACKAGE}.*"
            yield node.lineno, str(name)


def named(function: ast.expr) -> str:
    """The last name of what is called."""
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def fault_of(name: str, part: str, module: str, package: str = PACKAGE) -> str | None:
    """What is wrong with the import of `module` in the file `name` of `part` of `package`; None when nothing is."""
    top, *rest = module.split(".")
    if top in RESERVED:
        allowed = RESERVED[top]
        return None if part == allowed else f"only {allowed}/ imports {top}"
    if top == EXTENSION and package != EXTENSION:
        return f"nothing of {package} imports {EXTENSION}"
    if top != PACKAGE:
        return None
    if package == EXTENSION:
        return None if rest and rest[0] in CLIENT else f"{EXTENSION} does not import {module}"
    if name == ALONE:
        return f"{ALONE} imports nothing of {PACKAGE}, not even {module}"
    wanted = rest[0] if rest else ""
    if wanted.startswith("__") and wanted.endswith("__") and wanted != "__main__":
        return None
    if part not in ORDER and part != "__init__":
        return f"{part} has no place in the table of tests/test_layers.py"
    if part == wanted:
        return None
    below = {"_version"} if part == "__init__" else NARROWER.get(part, set(ORDER[ORDER.index(part) + 1 :]))
    return None if wanted in below else f"{part} does not import {wanted} ({module})"


def test_every_import_points_down() -> None:
    root = Path(conda_store.__file__).parent
    assert len(list(root.rglob("*.py"))) > 40
    assert offences(root) == []


def test_the_jupyter_extension_imports_the_client_and_no_server() -> None:
    root = Path(conda_store_labextension.__file__).parent
    assert len(list(root.glob("*.py"))) > 5
    assert offences(root) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("from conda_store.models import Build", "does not import conda_store.models"),
        ("def f():\n    from conda_store import handlers", "does not import conda_store.handlers"),
        ("import conda_store", "does not import conda_store"),
    ],
)
def test_an_import_of_the_server_by_the_jupyter_extension_is_found(tmp_path: Path, text: str, reason: str) -> None:
    root = tmp_path / EXTENSION
    root.mkdir()
    allowed = "from conda_store._version import __version__\nfrom conda_store.client.answers import refusal\n"
    (root / "proxy.py").write_text(f"{allowed}from {EXTENSION} import targets\n{text}\n")
    (found,) = offences(root)
    assert reason in found


def test_every_part_has_a_place_in_the_table() -> None:
    root = Path(conda_store.__file__).parent
    parts = {path.relative_to(root).parts[0].removesuffix(".py") for path in root.rglob("*.py")}
    assert parts - {"__init__"} <= set(ORDER)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("storage/base.py", "from conda_store.packages.locked import Lock", "storage does not import packages"),
        ("storage/base.py", "import conda_store.specification", "storage does not import specification"),
        ("packages/pip.py", "def f():\n    import conda_store.pieces.index", "packages does not import pieces"),
        ("pieces/layer.py", "from conda_store import registry", "pieces does not import registry"),
        ("pieces/layer.py", "from ..builds.runner import Build", "pieces does not import builds"),
        ("pieces/layer.py", "from .. import cli", "pieces does not import cli"),
        ("registry/images.py", "if TYPE_CHECKING:\n    from conda_store.builds import x", "registry does not import"),
        ("specification.py", "from conda_store.packages import solver", "specification does not import packages"),
        ("errors.py", "from conda_store.storage import base", "errors does not import storage"),
        ("builds/runner.py", "class A:\n    from conda_store.terminal import x", "builds does not import terminal"),
        ("registry/images.py", "from rattler import Client", "only packages/ imports rattler"),
        ("cli.py", "import uv", "only packages/ imports uv"),
        ("pieces/compile_modules.py", "import conda_store.errors", "imports nothing of conda_store"),
        ("registry/x.py", "import importlib\nimportlib.import_module('conda_store.cli')", "does not import cli"),
        ("registry/x.py", "import importlib\nimportlib.import_module(name)", "registry does not import *"),
        ("surprise/x.py", "import conda_store.errors", "surprise has no place"),
        ("db/queries.py", "from conda_store.builds import states", "db does not import builds"),
        ("registry/serve.py", "from conda_store.db import queries", "registry does not import db"),
        ("handlers/page_builds.py", "from conda_store.db import queries", "handlers does not import db"),
        ("client/builds.py", "from conda_store.builds import runner", "client does not import builds"),
        ("client_commands/a.py", "from conda_store import models", "client_commands does not import models"),
        ("__init__.py", "from conda_store.builds import runner", "__init__ does not import builds"),
        ("client/files.py", "from conda_store_labextension import folders", "nothing of conda_store imports"),
    ],
)
def test_an_import_upwards_is_found_with_its_line(tmp_path: Path, name: str, text: str, reason: str) -> None:
    path = tmp_path / PACKAGE / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"import os\n\n{text}\n")
    (found,) = offences(tmp_path / PACKAGE)
    assert found.startswith(f"conda_store/{name}:{3 + text.count(chr(10))}: ") and reason in found


def test_what_the_table_allows_is_no_offence(tmp_path: Path) -> None:
    texts = {
        "builds/runner.py": "from conda_store.builds import x\nfrom . import y\nfrom .z import a",
        "packages/solver.py": "import rattler\nfrom uv import find_uv_bin\nfrom ..storage.base import Storage",
        "registry/base.py": "from conda_store import __version__\nimport json, rattlesnake",
        "managers/builds.py": "from conda_store.db import queries\nfrom conda_store.auth import tokens",
        "__init__.py": "from conda_store._version import __version__",
    }
    for name, text in texts.items():
        path = tmp_path / PACKAGE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert offences(tmp_path / PACKAGE) == []
