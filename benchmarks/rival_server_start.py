"""The rival of the API, in an environment of its own: `python rival_server_start.py --config FILE` serves."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


class _Anything(ModuleType):
    """A module of `conda` in which every name is a class that knows this machine's platform and nothing else."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {"subdir": "linux-64"})


class _Finder(MetaPathFinder, Loader):
    """Finds every module of `conda`."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """See importlib."""
        return ModuleSpec(fullname, self, is_package=True) if fullname.split(".")[0] == "conda" else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """See importlib."""
        return _Anything(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """See importlib."""


if __name__ == "__main__":
    sys.meta_path.append(_Finder())
    importlib.import_module("conda_store_server._internal.server.app").CondaStoreServer.launch_instance()
