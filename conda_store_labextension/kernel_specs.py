"""Kernels of builds as Jupyter wants them said: names, what people read, and where icons are. Values only."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from conda_store.client import Kernel, RunnableBuild
from conda_store_labextension.kernel_names import KernelName

#: The entry point of the provisioner (`jupyter_client.kernel_provisioners`).
PROVISIONER = "conda-store-provisioner"
# Of several kernels of an environment, this one has the environment's name, whatever else is added later.
_FIRST = "python3"


@dataclass(frozen=True)
class OfferedKernel:
    """A kernel that can be chosen; one that is not `pinned` follows the current build, which is `build` now.

    `gone`: the server does not show the build any more.
    """

    name: KernelName
    display_name: str
    language: str
    build: int
    digest: str | None
    current: bool
    gone: bool = False

    @property
    def pinned(self) -> bool:
        """Whether it stays at its build."""
        return bool(self.name.build)

    def row(self) -> dict[str, Any]:
        """As the panel gets it."""
        return {
            "namespace": self.name.namespace,
            "environment": self.name.environment,
            "build": self.build,
            "digest": self.digest,
            "kernel_name": str(self.name),
            "display_name": self.display_name,
            "language": self.language,
            "pinned": self.pinned,
            "current": self.current,
            "gone": self.gone,
        }

    def spec(self) -> dict[str, Any]:
        """The kernel specification; what is executed stands in the prefix, which the provisioner finds at launch."""
        subject = {
            "namespace": self.name.namespace,
            "environment": self.name.environment,
            "build": self.build,
            "digest": self.digest,
        }
        config = asdict(self.name)
        metadata: dict[str, Any] = {
            "conda-store": subject,
            "kernel_provisioner": {"provisioner_name": PROVISIONER, "config": config},
        }
        if self.language == "python":
            metadata["debugger"] = True  # ipykernel's
        return {
            "argv": ["conda-store", str(self.name), "{connection_file}"],
            "env": {},
            "display_name": self.display_name,
            "language": self.language,
            "interrupt_mode": "signal",
            "metadata": metadata,
            "kernel_protocol_version": "",
        }


def ordered(kernels: tuple[Kernel, ...]) -> list[Kernel]:
    """The kernels of a build, that one first which has the environment's name alone."""
    return sorted(kernels, key=lambda one: (one.name != _FIRST, one.name))


def offered(build: RunnableBuild, *, pinned: bool, gone: bool = False) -> Iterator[OfferedKernel]:
    """The kernels of a build, as they are chosen."""
    for number, one in enumerate(ordered(build.kernels)):
        name = KernelName(
            build.namespace, build.environment, one.name if number else "", build.build_id if pinned else 0
        )
        notes = [one.display_name] if number else []
        notes += [f"build {build.build_id}{' is gone' if gone else ''}"] if pinned else []
        shown = f"{name.subject} ({', '.join(notes)})" if notes else name.subject
        language = one.language or "python"
        yield OfferedKernel(name, shown, language, build.build_id, build.digest, build.current, gone)


def unknown(name: KernelName) -> OfferedKernel:
    """A kernel of which only the name is known: a colleague's, or the server has not answered yet."""
    shown = f"{name.subject} (build {name.build})" if name.build else name.subject
    return OfferedKernel(name, shown, "python", name.build, None, not name.build)


@cache
def icon_directory(language: str) -> Path:
    """Where icons for a kernel are whose prefix is not here: those of this Jupyter's own, or none."""
    found = importlib.util.find_spec("ipykernel") if language == "python" else None
    if found is None or found.origin is None:
        return Path(sys.prefix) / "share" / "jupyter" / "conda-store"
    return Path(found.origin).parent / "resources"
