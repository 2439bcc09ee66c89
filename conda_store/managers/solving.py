"""Solves that somebody waits for; nothing is built. They work in processes of their own (`executors/solving.py`)."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any, ParamSpec

import yaml

from conda_store import models
from conda_store.builds.credentials import read_credentials
from conda_store.builds.levels import levels_of
from conda_store.builds.policies import Policy, read_policy
from conda_store.builds.recording import PIP_BUILD, PIP_CHANNEL, channel_ids
from conda_store.builds.subject import JobSettings
from conda_store.db import Database
from conda_store.db.queries import find_namespace, list_channels
from conda_store.errors import SpecificationInvalid
from conda_store.executors.solver_process import Asked
from conda_store.executors.solving import SolvePool
from conda_store.inputs import SolveQuery
from conda_store.managers.shapes import channel_of
from conda_store.packages.credentials import Credentials
from conda_store.packages.locked import CondaPackage, LockedWheel, PlatformLock
from conda_store.packages.submission import read_specification
from conda_store.pieces.bytecode import machine_platform
from conda_store.settings import merged

P = ParamSpec("P")

_NAME = "conda-store-solve"
# A solve without limit is nothing that a request can wait for; pip's part comes on top of the conda solve.
_LONGEST_SECONDS = 900.0
_PIP_SECONDS = 60.0


class SolveManager:
    """Solves under the policy of the deployment."""

    def __init__(self, database: Database, settings: JobSettings) -> None:
        self.database, self.settings = database, settings
        self.pool = SolvePool(settings.store_directory)
        self._threads = ThreadPoolExecutor(self.pool.seats + self.pool.waiting + 1, thread_name_prefix="solve")

    def call(
        self, function: Callable[P, models.Solution], *args: P.args, **kwargs: P.kwargs
    ) -> Future[models.Solution]:
        """What a function of ours finds, some time later: it runs in a thread that only waits."""
        return self._threads.submit(function, *args, **kwargs)

    def solve(self, asked: SolveQuery) -> models.Solution:
        """What would be installed. Raises `SpecificationInvalid`, `SolveFailed`, `FetchFailed`, `TooManySolves`."""
        with self.database.read() as session:
            counting = merged([self.settings.setting_options, *levels_of(session)])
            policy = read_policy(session, None, None, self.settings.setting_options, self.settings.policy)
        seconds = float(counting["conda_max_solve_time"]) or None
        return self._solve(self._asked(asked, policy, seconds))

    def solve_specification(self, source: str, policy: Policy, namespace: str) -> models.Solution:
        """What would be installed in `namespace` on the first platform of a file that was read under its `policy`
        without complaint."""
        with self.database.read() as session:
            row = find_namespace(session, namespace)
            own = Credentials() if row is None else read_credentials(session, row.id, self.settings.secret_file)
            counting = merged([self.settings.setting_options, *levels_of(session)])
        parsed = read_specification(source, policy.channels, default_name=_NAME, packages=policy.packages)
        completed = policy.packages.completed(parsed.specification)
        platform = next(iter(completed.platforms), machine_platform())
        seconds = float(counting["conda_max_solve_time"]) or None
        credentials = own.over(self.settings.credentials)
        return self._solve(Asked(source.encode(), policy.channels, platform, seconds, policy.packages, credentials))

    def shown(self, found: PlatformLock) -> models.Solution:
        """The packages of a lock."""
        names = {package.channel for package in found.conda} | ({PIP_CHANNEL} if found.wheels else set())
        return models.Solution(solve=_rows(found, self._channels(names)))

    def _solve(self, asked: Asked) -> models.Solution:
        return self.shown(self.pool.solve(asked, (asked.seconds or _LONGEST_SECONDS) + _PIP_SECONDS))

    def close(self) -> None:
        """End what is solving."""
        self.pool.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _asked(self, asked: SolveQuery, policy: Policy, seconds: float | None) -> Asked:
        """Everything that can be refused without a request to a channel is refused here."""
        pip: list[Any] = [{"pip": asked.pip}] if asked.pip else []
        channels = list(dict.fromkeys([*asked.channel, *asked.channels]))
        document = {"name": _NAME, "channels": channels, "dependencies": [*asked.conda, *pip]}
        source = yaml.safe_dump({**document, "platforms": [asked.platform or machine_platform()]}).encode()
        try:
            parsed = read_specification(source, policy.channels, packages=policy.packages)
        except SpecificationInvalid as error:
            # Nobody has seen the file that these lines are of.
            problems = [replace(one, line=None, column=None) for one in error.problems]
            raise SpecificationInvalid(problems, "request") from None
        platform = parsed.specification.platforms[0]
        return Asked(source, policy.channels, platform, seconds, policy.packages, self.settings.credentials)

    def _channels(self, names: set[str]) -> dict[str, models.Channel]:
        with self.database.read() as session:
            rows = {row.name: channel_of(row) for row in list_channels(session, names)}
        if not names - rows.keys():
            return rows
        with self.database.write() as session:
            channel_ids(session, names)
            return {row.name: channel_of(row) for row in list_channels(session, names)}


def _rows(found: PlatformLock, channels: dict[str, models.Channel]) -> list[models.SolvedPackage]:
    conda = [_conda(package, channels[package.channel]) for package in found.conda]
    return [*conda, *(_wheel(wheel, channels[PIP_CHANNEL]) for wheel in found.wheels)]


def _conda(package: CondaPackage, channel: models.Channel) -> models.SolvedPackage:
    return models.SolvedPackage(
        name=package.name,
        version=package.version,
        build=package.build,
        channel_id=channel.id,
        channel=channel,
        size=package.size or 0,
        sha256=package.sha256,
        md5=package.md5,
        subdir=package.subdir,
        url=package.url,
        depends=list(package.depends),
    )


def _wheel(wheel: LockedWheel, channel: models.Channel) -> models.SolvedPackage:
    return models.SolvedPackage(
        name=wheel.name,
        version=wheel.version,
        build=PIP_BUILD,
        channel_id=channel.id,
        channel=channel,
        size=wheel.size or 0,
        sha256=wheel.sha256,
        md5=None,
        subdir="",
        url=wheel.url,
        depends=list(wheel.depends),
    )
