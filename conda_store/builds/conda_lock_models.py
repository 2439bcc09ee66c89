"""conda-lock's models of a lockfile, without the program around them.

To import `conda_lock` is to import its command line: 660 modules (poetry, virtualenv …), half a second and 25 MB in
each worker. The models need six of them. So they are imported while the packages above them are there in name only;
whoever imports `conda_lock` later in the same process gets all of it.
"""

from __future__ import annotations

import sys
import warnings
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

_PACKAGES = ("conda_lock", "conda_lock.lockfile", "conda_lock.lockfile.v1")


@cache
def lockfile_models() -> Any:
    """The module `conda_lock.lockfile.v1.models`."""
    if known := sys.modules.get("conda_lock.lockfile.v1.models"):
        return known
    hollow = [name for name in _PACKAGES if name not in sys.modules]
    before = set(sys.modules)
    for name in hollow:
        sys.modules[name] = _without_content(name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return import_module("conda_lock.lockfile.v1.models")
    finally:
        for name in set(sys.modules) - before:
            if name.partition(".")[0] == _PACKAGES[0]:
                del sys.modules[name]


def _without_content(name: str) -> ModuleType:
    """A package of which only the place is known, so that its modules are found and its own code does not run."""
    spec = find_spec(name)
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError(f"conda-lock has no package {name}", name=name)
    package = ModuleType(name)
    package.__path__ = list(spec.submodule_search_locations)
    package.__spec__ = spec
    return package
