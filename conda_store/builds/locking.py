"""From a file to a lock: read it, solve the conda part of every platform, then the pip part."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from conda_store.builds.environment import find_python
from conda_store.builds.lockfile import is_lockfile, parse_lockfile
from conda_store.builds.progress import Stages
from conda_store.builds.request import BuildRequest
from conda_store.builds.workshop import Workshop
from conda_store.errors import BadInput, SolveFailed
from conda_store.packages.fetch import StoredPackage
from conda_store.packages.locked import CondaPackage, Lock, LockedWheel, PlatformLock
from conda_store.packages.submission import read_specification
from conda_store.packages.virtual import known_machines, virtual_packages
from conda_store.requirements import index_option
from conda_store.specification import ParsedSpecification, Specification
from conda_store.yaml_marks import Located

# Fetches the packages of a platform: what pip may rely on is read from the packages themselves.
Fetch = Callable[[PlatformLock], Mapping[CondaPackage, StoredPackage]]


class Locker:
    """Makes the lock of one request."""

    def __init__(self, workshop: Workshop, request: BuildRequest, machine: str, stages: Stages, fetch: Fetch) -> None:
        self.workshop, self.request, self.machine, self.stages, self.fetch = workshop, request, machine, stages, fetch

    def lock(self) -> tuple[Specification, Lock]:
        """The specification, and a lock for every platform that is wanted."""
        if is_lockfile(self.request.source):
            specification, lock = self._read_lockfile()
            self.request.packages.check_lock(lock, specification)
            return specification, lock
        parsed = self._read_specification()
        try:
            return parsed.specification, self._solve(parsed.specification)
        except SolveFailed as error:
            if not self.request.is_written:
                raise
            raise with_places(error, parsed.entries.dependencies) from error

    def _read_lockfile(self) -> tuple[Specification, Lock]:
        with self.stages.stage("read") as notes:
            lock, specification = parse_lockfile(
                self.request.source,
                policy=self.workshop.policy,
                default_name=self.request.default_name,
                check_wheel_url=self._check_wheel_url,
            )
            lock = narrowed(lock, self.request.platforms)
            notes.append(f"{specification.name} from a lockfile for {', '.join(lock.platforms)}")
        return specification, lock

    def _check_wheel_url(self, url: str) -> None:
        """What can be said without a request; the index is asked before wheels are fetched (`Build._check_wheels`)."""
        from conda_store.packages.pip_index import check_scheme

        self.workshop.policy.check_url(url, kind="wheel")
        check_scheme(url, partial(self.workshop.policy.check_url, kind="pip"), self.workshop.policy.index_urls)

    def _read_specification(self) -> ParsedSpecification:
        with self.stages.stage("read") as notes:
            parsed = read_specification(
                self.request.source,
                self.workshop.policy,
                default_name=self.request.default_name,
                packages=self.request.packages,
            )
            parsed = self._completed(parsed)
            for warning in parsed.warnings:
                self.stages.progress.warn(str(warning))
            notes.append(parsed.specification.name)
        return parsed

    def _completed(self, parsed: ParsedSpecification) -> ParsedSpecification:
        asked = parsed.specification
        whole = self.request.packages.completed(asked)
        if added := sorted({*whole.dependencies, *whole.pip} - {*asked.dependencies, *asked.pip}):
            self.stages.progress.warn(f"Added by the settings of this environment: {', '.join(added)}")
        return replace(parsed, specification=whole)

    def _solve(self, specification: Specification) -> Lock:
        asked = self.request
        platforms = asked.platforms or specification.platforms or asked.default_platforms or (self.machine,)
        channels = self.workshop.policy.channels_for(specification)
        with self.stages.stage("solve", len(platforms)) as notes:
            solved: dict[str, PlatformLock] = {}
            for number, platform in enumerate(platforms, 1):
                virtual = virtual_packages(
                    platform, dict(specification.variables), known_machines(asked.packages.virtual)
                )
                dependencies = [self.workshop.policy.resolved(text) for text in specification.dependencies]
                solved[platform] = self.workshop.solver.solve(dependencies, channels, platform, virtual=virtual)
                self.stages.progress.advance("solve", number)
            notes += [f"{len(one.conda)} packages for {one.platform}" for one in solved.values()]
        # Before anything is fetched, and again with the wheels, which only the packages' own files lead to.
        asked.packages.check_lock(Lock(tuple(channels), solved), specification)
        if specification.pip:
            solved = {platform: self._with_wheels(specification, one) for platform, one in solved.items()}
            asked.packages.check_lock(Lock(tuple(channels), solved), specification)
        return Lock(tuple(channels), solved)

    def _with_wheels(self, specification: Specification, solved: PlatformLock) -> PlatformLock:
        stored = self.fetch(solved)
        with self.stages.stage(f"solve pip {solved.platform}") as notes:
            wheels = self._solve_pip(specification, solved.platform, stored)
            notes.append(f"{len(wheels)} wheels")
        return PlatformLock(solved.platform, solved.conda, wheels)

    def _solve_pip(
        self, specification: Specification, platform: str, stored: Mapping[CondaPackage, StoredPackage]
    ) -> tuple[LockedWheel, ...]:
        from conda_store.packages.pip import lock_wheels
        from conda_store.packages.pip_provided import provided_distributions

        python = find_python(stored)
        if python is None:
            raise BadInput("The specification has a pip section, but no python: add python and pip to 'dependencies'.")
        return lock_wheels(
            [text for text in specification.pip if index_option(text) is None],
            platform=platform,
            python_version=python.version,
            provided=provided_distributions([item.contents(python) for item in stored.values()]),
            cache_directory=self.workshop.directory / "uv",
            index_urls=self.workshop.policy.indexes_for(specification.pip),
            gate=self.workshop.indexes,
        )


def with_places(error: SolveFailed, entries: Sequence[Located]) -> SolveFailed:
    """The same failure, its problems with the lines of the dependencies that they are about."""
    message, problems = error.message, []
    for problem in error.problems:
        place = next((entry for entry in entries if " ".join(entry.text.split()) == problem.path), None)
        if place is not None:
            located = replace(problem, line=place.line, column=place.column, path=place.path)
            message = message.replace(f"  {problem.message}", f"  {located}", 1)
            problem = located
        problems.append(problem)
    return SolveFailed(message, problems)


def narrowed(lock: Lock, platforms: tuple[str, ...]) -> Lock:
    """`lock` for `platforms` only (all when empty); raises `BadInput` for one that it has not."""
    for platform in platforms:
        if platform not in lock.platforms:
            raise BadInput(f"The lockfile has no packages for {platform}, only for {', '.join(lock.platforms)}.")
    chosen = platforms or tuple(lock.platforms)
    return Lock(lock.channels, {platform: lock.platforms[platform] for platform in chosen})
