"""The parts that a build works with, all below one store directory.

packages/    unpacked conda packages       wheels/      unpacked wheels        uv/       uv's cache
bytecode/    compiled modules              toolchains/  pythons that compile   repodata/ channels' indexes
blobs/ pieces/ bases/   layers, members, manifests, and what is known of them
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from conda_store.errors import StorageFull
from conda_store.packages.channels import ChannelPolicy
from conda_store.packages.fetch import PackageStore
from conda_store.packages.gate import ChannelGate
from conda_store.packages.solver import Solver
from conda_store.packages.toolchain import Toolchains
from conda_store.pieces.bytecode import BytecodeMaker
from conda_store.storage.local import LocalStorage
from conda_store.storage.scratch import sweep

if TYPE_CHECKING:
    from conda_store.packages.index_gate import IndexGate
    from conda_store.packages.wheels import WheelStore

# Toolchains lie below the store, and compiled programs have room for 255 bytes of path.
LONGEST_STORE_PATH = 200


class Workshop:
    """Solver, stores and makers of one store directory; several processes may have one each.

    `policy` may be replaced by that of the environment which is built next.
    Raises `StorageFull` for a directory that cannot be used.
    """

    def __init__(self, directory: Path, policy: ChannelPolicy) -> None:
        self.directory = directory.absolute()
        self.gate = ChannelGate(policy)
        if len(os.fsencode(self.directory)) > LONGEST_STORE_PATH:
            raise StorageFull(
                f"The store directory {self.directory} has a path of more than {LONGEST_STORE_PATH} bytes, "
                "which leaves no room for the prefixes below it. Choose a shorter one with --store."
            )
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageFull(f"The store directory {self.directory} cannot be made: {error.strerror}.") from error
        self.scratch = self.directory / "scratch"
        self.storage = LocalStorage(self.directory)
        self.solver = Solver(self.directory / "repodata", gate=self.gate)
        self.packages = PackageStore(
            self.directory / "packages",
            check_url=lambda url: self.policy.check_url(url, kind="package"),
            gate=self.gate,
        )
        self.toolchains = Toolchains(self.directory / "toolchains")
        self.bytecode = BytecodeMaker(self.directory / "bytecode")

    @property
    def policy(self) -> ChannelPolicy:
        """Which channels may be asked."""
        return self.gate.policy

    @policy.setter
    def policy(self, policy: ChannelPolicy) -> None:
        self.gate.policy = policy

    @cached_property
    def wheels(self) -> WheelStore:
        """Unpacked wheels. The HTTP client that it brings takes 80 ms to import: most builds have no wheels."""
        from conda_store.packages.wheels import WheelStore

        return WheelStore(
            self.directory / "wheels",
            check_url=lambda url: self.policy.check_url(url, kind="wheel"),
            credentials=lambda: self.gate.credentials,
        )

    @cached_property
    def indexes(self) -> IndexGate:
        """How uv asks package indexes."""
        from conda_store.packages.index_gate import IndexGate

        return IndexGate(self.gate)

    def sweep(self) -> int:
        """Remove what killed builds left behind; returns how many things."""
        folders = ("scratch", "packages/tmp", "toolchains/tmp", "bytecode/tmp")
        return sum(sweep(self.directory / folder) for folder in folders) + self.storage.sweep()
