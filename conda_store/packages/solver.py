"""Solves the conda part of a specification for one platform, with rattler.

Knows channels as URLs and requirements as MatchSpec texts. What a failure means in words is `conflicts`';
which channels and packages are allowed is `channels`'; pip's part is `pip`'s.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

import rattler
from rattler import ChannelPriority, Client, Gateway, GenericVirtualPackage, MatchSpec, RepoDataRecord
from rattler.exceptions import GatewayError, InvalidChannelError, InvalidMatchSpecError, InvalidUrlError, SolverError

from conda_store.errors import FetchFailed, Problem, SolveFailed
from conda_store.packages.channel_urls import strip_credentials
from conda_store.packages.conflicts import Question, Wanted, bare_channel, explain
from conda_store.packages.gate import ChannelGate
from conda_store.packages.locked import CondaPackage, PlatformLock
from conda_store.packages.virtual import virtual_packages
from conda_store.specification_grammar import PLATFORMS

TIMEOUT_SETTING = "c.BuildLimits.max_solve_seconds"
_TOKEN = re.compile(r"/t/[^/]+(?=/|$)")
_USER = re.compile(r"(?<=://)[^/@\s]+@")
_BRACKET_CHANNEL = re.compile(r"""(?<=[\[,\s])channel\s*=\s*(['"]?)(?P<channel>[^'",\]\s]+)\1""")


class Solver:
    """Answers which packages satisfy a specification; keeps the channels' indexes between solves.

    One per process, shared by threads: equal requests for an index are made once. `timeout_seconds` bounds one
    solve with the fetching of its indexes; None never gives up. Call it from threads without a running event loop.
    """

    def __init__(
        self, cache_directory: Path, *, timeout_seconds: float | None = 300.0, gate: ChannelGate | None = None
    ) -> None:
        self.timeout_seconds = timeout_seconds
        self.gate = gate
        self._cache_directory = cache_directory
        self._gateways: dict[Client | None, Gateway] = {}

    def _asking(self, channels: Sequence[str]) -> Gateway:
        client = self.gate.client(channels) if self.gate else None
        if client not in self._gateways:
            self._gateways[client] = Gateway(cache_dir=self._cache_directory, client=client)
        return self._gateways[client]

    def solve(
        self,
        dependencies: Sequence[str],
        channels: Sequence[str],
        platform: str,
        *,
        virtual: Sequence[GenericVirtualPackage] | None = None,
        constraints: Sequence[str] = (),
    ) -> PlatformLock:
        """The best packages for `dependencies` (MatchSpec texts) from `channels` (URLs, first wins: strict priority).

        `virtual` defaults to those of the platform; `constraints` must hold for what is chosen and choose nothing.
        Raises SolveFailed, whose problems have as `path` the dependency they are about, as given here, and
        FetchFailed when a channel's index cannot be had.
        """
        question = _question(dependencies, channels, platform, virtual, constraints)
        records = asyncio.run(self._solve(question)) if question.wanted else []
        return PlatformLock(platform, tuple(conda_package(record, platform) for record in records))

    def refresh(self, channels: Iterable[str]) -> None:
        """Forget the indexes held in memory, so that the next solve asks the channels what is new."""
        for channel in channels:
            for gateway in self._gateways.values():
                gateway.clear_repodata_cache(channel)

    async def _solve(self, question: Question) -> list[RepoDataRecord]:
        try:
            async with asyncio.timeout(self.timeout_seconds):
                return await self._attempt(question)
        except TimeoutError:
            raise self._timed_out(question) from None
        except GatewayError as error:
            await self._blame_channel(question, error)
        except (InvalidChannelError, InvalidUrlError) as error:
            text = ", ".join(strip_credentials(channel) for channel in question.channels)
            raise SolveFailed(f"One of the channels is not a URL ({error}): {text}") from None

    async def _attempt(self, question: Question) -> list[RepoDataRecord]:
        try:
            records = await self._ask(question, [wanted.spec for wanted in question.wanted])
            if not await self._is_from_lower_channel(question, records):
                return records
            return await self._ask(question, _strict_specs(question))
        except SolverError as error:
            if "cancelled" in str(error):
                raise self._timed_out(question) from None
        # With the names alone among the requirements rattler also looks at versions that the requirements
        # exclude, and its account of the conflict then says who wants which version.
        try:
            return await self._ask(question, _strict_specs(question))
        except SolverError as error:
            if "cancelled" in str(error):
                raise self._timed_out(question) from None
            raise await explain(question, self._asking(question.channels), str(error)) from None

    async def _ask(self, question: Question, specs: Sequence[MatchSpec]) -> list[RepoDataRecord]:
        seconds = self.timeout_seconds
        return await rattler.solve(
            question.channels,
            specs,
            gateway=self._asking(question.channels),
            platforms=question.subdirs,
            virtual_packages=question.virtual,
            timeout=None if seconds is None else timedelta(seconds=max(seconds, 1e-6)),
            channel_priority=ChannelPriority.Strict,
            constraints=question.constraints,
            channel_relations="disabled",
        )

    async def _is_from_lower_channel(self, question: Question, records: Iterable[RepoDataRecord]) -> bool:
        """Whether strict priority was evaded: rattler hides from the solver what a requirement excludes, so
        `numpy >=3` is taken from the second channel although the first has an older numpy."""
        places = {bare_channel(channel): place for place, channel in enumerate(question.channels)}
        free = {wanted.name for wanted in question.wanted if wanted.spec.channel is None}
        lower: dict[int, list[str]] = {}
        for record in records:
            place = places.get(bare_channel(record.channel), 0)
            if place and record.name.normalized in free:
                lower.setdefault(place, []).append(record.name.normalized)
        if not lower:
            return False
        above = question.channels[: max(lower)]
        names = [name for group in lower.values() for name in group]
        gateway = self._asking(question.channels)
        found = await gateway.query(above, question.subdirs, names, recursive=False, channel_relations="disabled")
        owners = {(bare_channel(record.channel), record.name.normalized) for group in found for record in group}
        return any(
            (bare_channel(channel), name) in owners
            for place, group in lower.items()
            for channel in question.channels[:place]
            for name in group
        )

    async def _blame_channel(self, question: Question, error: GatewayError) -> NoReturn:
        gateway = self._asking(question.channels)
        names = sorted({wanted.name for wanted in question.wanted})
        for channel in question.channels:
            try:
                async with asyncio.timeout(self.timeout_seconds):
                    await gateway.query([channel], question.subdirs, names, channel_relations="disabled")
            except (GatewayError, TimeoutError) as its_error:
                raise _fetch_failed([channel], question.platform, self._plain(its_error)) from None
        raise _fetch_failed(question.channels, question.platform, self._plain(error)) from None

    def _plain(self, error: Exception) -> str:
        if self.gate is None:
            return str(error)
        if self.gate.refused:
            raise self.gate.refused.popitem()[1] from None
        return self.gate.plain(str(error))

    def _timed_out(self, question: Question) -> SolveFailed:
        return SolveFailed(
            f"Solving for {question.platform} took longer than {self.timeout_seconds:g} seconds. Name versions of the "
            f"largest packages so that there is less to search, or let an administrator raise {TIMEOUT_SETTING}."
        )


def conda_package(record: RepoDataRecord, platform: str) -> CondaPackage:
    """A record of a channel's index as a locked package. Raises SolveFailed when it has no sha256 or no md5."""
    missing = [name for name, value in (("sha256", record.sha256), ("md5", record.md5)) if not value]
    if missing or record.sha256 is None or record.md5 is None:
        raise SolveFailed(
            f"The channel {strip_credentials(record.channel)} lists {record.file_name} for {platform} without "
            f"{' and '.join(missing)}, so its content cannot be checked: index the channel again, or use another one."
        )
    return CondaPackage(
        name=record.name.normalized,
        version=str(record.version),
        build=str(record.build),
        subdir=record.subdir,
        url=strip_credentials(record.url),
        sha256=record.sha256.hex(),
        md5=record.md5.hex(),
        size=record.size,
        depends=tuple(record.depends),
        license=record.license,
    )


def _question(
    dependencies: Sequence[str],
    channels: Sequence[str],
    platform: str,
    virtual: Sequence[GenericVirtualPackage] | None,
    constraints: Sequence[str],
) -> Question:
    if platform not in PLATFORMS:
        raise SolveFailed(f"'{platform}' is not a platform: use one such as linux-64, linux-aarch64 or osx-arm64.")
    if dependencies and not channels:
        raise SolveFailed(f"No channel to solve for {platform} with: add one to 'channels', such as conda-forge.")
    problems: list[Problem] = []
    wanted = [found for text in dependencies if (found := _wanted(text, channels, problems)) is not None]
    limits = [found for text in constraints if (found := _wanted(text, channels, problems)) is not None]
    if problems:
        raise SolveFailed("\n".join(problem.message for problem in problems), problems)
    return Question(
        wanted=tuple(wanted),
        channels=tuple(channels),
        platform=platform,
        virtual=tuple(virtual_packages(platform) if virtual is None else virtual),
        constraints=tuple(limit.spec for limit in limits),
    )


def _wanted(text: str, channels: Sequence[str], problems: list[Problem]) -> Wanted | None:
    try:
        pinned = _with_channel_url(text, channels)
        spec = MatchSpec(pinned)
    except SolveFailed as error:
        problems.append(Problem(error.message, path=text))
    except (InvalidMatchSpecError, InvalidChannelError, InvalidUrlError, ValueError) as error:
        problems.append(
            Problem(f"'{text}' is not a conda requirement: {error}. Write it like 'numpy >=1.26,<3'.", path=text)
        )
    else:
        return Wanted(text, spec)
    return None


def _with_channel_url(text: str, channels: Sequence[str]) -> str:
    """`name::package` with the channel's URL: rattler would look up a bare name on anaconda.org only."""
    head, separator, rest = text.rpartition("::")
    if separator:
        return f"{_channel_url(head, text, channels)}::{rest}"
    bracket = _BRACKET_CHANNEL.search(text)
    if bracket is None:
        return text
    url = _channel_url(bracket["channel"], text, channels)
    return f'{text[: bracket.start()]}channel="{url}"{text[bracket.end() :]}'


def _channel_url(name: str, text: str, channels: Sequence[str]) -> str:
    wanted, _, subdir = name.strip().rstrip("/").rpartition("/")
    if subdir not in PLATFORMS and subdir != "noarch":
        wanted, subdir = name.strip().rstrip("/"), ""
    exact = [channel for channel in channels if bare_channel(channel) == bare_channel(wanted)]
    # By name the channel nearest to its host is meant: `conda-forge` is no label or mirror of that name.
    named = [channel for channel in channels if "://" not in wanted and bare_channel(channel).endswith(f"/{wanted}")]
    if found := exact or sorted(named, key=lambda channel: channel.count("/")):
        return f"{found[0].rstrip('/')}/{subdir}".rstrip("/")
    listed = ", ".join(strip_credentials(channel) for channel in channels)
    raise SolveFailed(
        f"'{strip_credentials(text)}' asks for the channel '{strip_credentials(name)}', which is not among the "
        f"channels of this environment ({listed}): add it to 'channels'."
    )


def _strict_specs(question: Question) -> list[MatchSpec]:
    names = sorted({wanted.name for wanted in question.wanted})
    return [wanted.spec for wanted in question.wanted] + [MatchSpec(name) for name in names]


def _fetch_failed(channels: Sequence[str], platform: str, detail: str) -> FetchFailed:
    shown = " or ".join(strip_credentials(channel) for channel in channels)
    reason, way_out = _reason(detail)
    words = _USER.sub("", _TOKEN.sub("", detail)).strip()
    return FetchFailed(
        f"The channel {shown} {reason} (asked for {platform}): {way_out}." + (f"\n\n{words}" if words else "")
    )


def _reason(detail: str) -> tuple[str, str]:
    lower = detail.lower()
    if re.search(r"\b(401|403)\b", lower):
        return "refuses access", "check its name, or let an administrator set up credentials for it"
    if "could not find subdir" in lower or re.search(r"\b404\b", lower):
        return "does not exist or has no index", "check its spelling; a channel of your own needs noarch/repodata.json"
    if "parse" in lower or "deserial" in lower or "decod" in lower or "invalid" in lower:
        return "has a damaged index", "its owner must index it again; meanwhile leave it out"
    return "cannot be reached", "check its spelling and the network, and try again later"
