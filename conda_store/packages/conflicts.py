"""Why a solve failed, in sentences for the person who wrote the specification.

First every requirement is looked at alone: does the package exist, for this platform, in a version that fits?
Only when each could be met do the requirements contradict each other; then the solver's own tree is read
(resolvo's, as rattler 0.28 prints it) and each of its dead ends becomes a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rattler import (
    Gateway,
    GenericVirtualPackage,
    MatchSpec,
    PackageRecord,
    RepoDataRecord,
    Subdir,
    VersionWithSource,
)
from rattler.exceptions import GatewayError, InvalidMatchSpecError, InvalidVersionError

from conda_store.errors import Problem, SolveFailed
from conda_store.packages.channel_urls import strip_credentials
from conda_store.packages.matchspecs import near_misses
from conda_store.packages.solver_tree import Edge, find_edges, name_of, parse_tree, plain_tree, versions_folded
from conda_store.packages.virtual import OVERRIDES

# Where people look for a package that their own platform lacks; asked only after a failure.
_COMMON_PLATFORMS = ("linux-64", "linux-aarch64", "osx-arm64", "osx-64", "win-64")
_SHOWN = 5
_SHOWN_SENTENCES = 6
_SHOWN_RIVALS = 3
_MACHINE = {
    "__archspec": "the processor",
    "__cuda": "an NVIDIA driver",
    "__glibc": "the C library",
    "__linux": "the kernel",
    "__osx": "macOS",
    "__unix": "a Unix system",
    "__win": "Windows",
}


@dataclass(frozen=True)
class Wanted:
    """One requirement: as its author wrote it, and as a MatchSpec whose channel, if any, is a URL."""

    text: str
    spec: MatchSpec

    @property
    def name(self) -> str:
        return self.spec.name.normalized


@dataclass(frozen=True)
class Question:
    """What a solver was asked; channels are URLs in the order of their priority."""

    wanted: tuple[Wanted, ...]
    channels: tuple[str, ...]
    platform: str
    virtual: tuple[GenericVirtualPackage, ...]
    constraints: tuple[MatchSpec, ...] = ()

    @property
    def subdirs(self) -> list[Subdir]:
        return [Subdir(self.platform), Subdir("noarch")]


async def explain(question: Question, gateway: Gateway, solver_text: str) -> SolveFailed:
    """The error for a question that `gateway`'s channels have no answer to; `solver_text` is rattler's message."""
    edges = list(find_edges(parse_tree(solver_text)))
    names = {wanted.name for wanted in question.wanted} | {edge.name for edge in edges}
    facts = _Facts(question, gateway, await _records(question, gateway, names))
    alone = [(wanted, await facts.fault(wanted)) for wanted in question.wanted]
    problems = [Problem(sentence, path=wanted.text) for wanted, sentence in alone if sentence]
    detail = ""
    if not problems:
        # A package that contradicts itself leaves no rival in the tree.
        asked = ", ".join(f"'{wanted.text}'" for wanted in question.wanted)
        sentences = await facts.sentences(edges) or [f"These contradict each other or themselves: {asked}."]
        problems = [Problem(sentence) for sentence in sentences[:_SHOWN_SENTENCES]]
        detail = f"\n\nThe solver says:\n{plain_tree(solver_text)}"
    head = f"No set of packages for {question.platform} satisfies the specification:"
    return SolveFailed("\n".join([head, *(f"  {problem.message}" for problem in problems)]) + detail, problems)


async def _records(question: Question, gateway: Gateway, names: Iterable[str]) -> dict[str, list[RepoDataRecord]]:
    """All records of these packages for the platform, by name, in the order of the channels."""
    real = sorted(name for name in names if not name.startswith("__"))
    if not real:
        return {}
    found = await gateway.query(
        question.channels, question.subdirs, real, recursive=False, channel_relations="disabled"
    )
    by_name: dict[str, list[RepoDataRecord]] = {}
    for record in (record for group in found for record in group):
        by_name.setdefault(record.name.normalized, []).append(record)
    return by_name


@dataclass
class _Facts:
    """What the channels have, and the sentences that follow from it."""

    question: Question
    gateway: Gateway
    records: Mapping[str, Sequence[RepoDataRecord]]

    async def fault(self, wanted: Wanted) -> str | None:
        """Why this requirement cannot be met even alone; None when it could."""
        name, platform = wanted.name, self.question.platform
        if name.startswith("__"):
            way_out = self._virtual_way_out(wanted.spec.version, name)
            return None if self._has_virtual(wanted.spec) else f"You ask for '{wanted.text}', but {way_out}"
        records = self.records.get(name, ())
        channel = wanted.spec.channel
        if channel is not None:
            records = [record for record in records if _same(record.channel, channel.base_url)]
        if not records:
            return await self._absent(name, pinned=channel is not None and name in self.records)
        matching = [record for record in records if record.matches(wanted.spec)]
        if not matching:
            return f"No '{name}' for {platform} matches '{wanted.text}'. {_available(wanted.spec, records)}"
        first = records[0].channel
        if channel is None and not any(_same(record.channel, first) for record in matching):
            owner = bare_channel(matching[0].channel)
            return (
                f"'{wanted.text}' is met only by the channel {owner}, but {bare_channel(first)} "
                f"comes first and has '{name}' in other versions: the first channel that has a package provides it. "
                f"Write '{owner}::{wanted.text}', or change the order of 'channels'."
            )
        return None

    async def sentences(self, edges: Sequence[Edge]) -> list[str]:
        """One sentence for each dead end of the solver's tree."""
        found: dict[str, None] = {}
        for edge in edges:
            if (reason := await self._reason(edge, edges)) is not None:
                found[f"{_subject(edge)} {_shown(edge.spec)}, but {reason}{self._chain(edge)}"] = None
        return list(found)

    async def _reason(self, edge: Edge, edges: Sequence[Edge]) -> str | None:
        below = [child.text for child in edge.node.children]
        if edge.verb == "allow" or any("conflicts with" in text for text in (edge.node.text, *below)):
            others = self._others(edge, edges)
            return f"{others}." if others else None
        if "no candidates were found" in edge.node.text:
            return await self._no_candidates(edge)
        if edge.package is not None and any("is excluded because" in text for text in below):
            return self._asked(edge.name) or self._not_in_first_channel(edge.name)
        return None

    async def _no_candidates(self, edge: Edge) -> str:
        if edge.name.startswith("__"):
            return self._virtual_way_out(edge.spec, edge.name)
        if edge.name not in self.records:
            return _lower(await self._absent(edge.name, pinned=False))
        available = _available(_match_spec(edge.spec), self.records[edge.name])
        return self._asked(edge.name) or f"no channel has it in such a version. {available}"

    def _asked(self, name: str) -> str:
        texts = [f"'{wanted.text}'" for wanted in self.question.wanted if wanted.name == name]
        return f"you asked for {' and '.join(texts)}." if texts else ""

    def _not_in_first_channel(self, name: str) -> str:
        first = bare_channel(self.records[name][0].channel) if name in self.records else "the first channel"
        return f"{first}, the first channel that has '{name}' and so provides it, has no such version."

    def _others(self, edge: Edge, edges: Sequence[Edge]) -> str:
        """Who else wants the same package otherwise; another version of the same requirer is no rival."""
        rivals = [other for other in edges if other.name == edge.name and other.spec != edge.spec]
        own = name_of(edge.package) if edge.package else None
        said = [
            f"{_lower(_subject(other))} {_shown(other.spec)}"
            for other in rivals
            if (name_of(other.package) if other.package else None) != own
        ]
        return ", and ".join(list(dict.fromkeys(said))[:_SHOWN_RIVALS])

    def _chain(self, edge: Edge) -> str:
        """How the requirer came in, when its name does not stand in the specification."""
        if edge.package is None or any(wanted.name == name_of(edge.package) for wanted in self.question.wanted):
            return ""
        above = edge.requirer_of_package
        return f" ({name_of(edge.package)} is needed by {versions_folded(above)}.)" if above else ""

    async def _absent(self, name: str, *, pinned: bool) -> str:
        platform = self.question.platform
        if pinned:
            has = sorted({bare_channel(record.channel) for record in self.records[name]})
            return f"The channel you name for '{name}' does not have it for {platform}; {' and '.join(has)} does."
        elsewhere = [other for other in _COMMON_PLATFORMS if other != platform and await self._exists(name, other)]
        if elsewhere:
            return f"'{name}' exists for {', '.join(elsewhere)}, but no channel has it for {platform}."
        known = await self.gateway.names(self.question.channels, self.question.subdirs, channel_relations="disabled")
        if not known:
            return f"No channel has any package for {platform}: ask for another platform, or add a channel that has it."
        near = near_misses(name, {found.normalized for found in known})
        hint = (
            f" Did you mean {' or '.join(repr(text) for text in near)}?"
            if near
            else " Check its spelling, or add a channel that has it."
        )
        return f"No channel has a package '{name}' for {platform}.{hint}"

    async def _exists(self, name: str, platform: str) -> bool:
        try:
            found = await self.gateway.query(
                self.question.channels, [Subdir(platform)], [name], recursive=False, channel_relations="disabled"
            )
        except GatewayError:
            return False
        return any(found)

    def _virtual_way_out(self, spec: str | None, name: str) -> str:
        """What is missing of the machine, and how a specification says that it is there."""
        platform = self.question.platform
        thing = f"{name} ({_MACHINE[name]})" if name in _MACHINE else name
        variable, prefixes = OVERRIDES.get(name, ("", ()))
        if not platform.startswith(prefixes):
            return f"{thing} is not there on {platform}: choose another package or platform."
        example = found[0] if (found := re.search(r"\d+(\.\d+)*", spec or "")) else "<version>"
        return (
            f"{thing} is not assumed in that version: where your machines have it, say so with "
            f"'variables: {{{variable}: \"{example}\"}}'."
        )

    def _has_virtual(self, spec: MatchSpec) -> bool:
        machine = [
            PackageRecord(
                package.name.normalized, str(package.version), package.build_string, 0, self.question.platform
            )
            for package in self.question.virtual
        ]
        return any(record.matches(spec) for record in machine)


def bare_channel(url: str) -> str:
    """A channel's URL for comparison and display: without credentials and closing slash."""
    return strip_credentials(url).rstrip("/")


def _subject(edge: Edge) -> str:
    if edge.package is None:
        return "This deployment allows only" if edge.verb == "allow" else "You asked for"
    verb = "needs" if edge.verb == "require" else "works only with"
    return f"{versions_folded(edge.package)} {verb}"


def _shown(spec: str) -> str:
    return spec.removesuffix(" *")


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:] if sentence.startswith(("You ", "No ", "The ")) else sentence


def _match_spec(text: str) -> MatchSpec | None:
    try:
        return MatchSpec(text)
    except InvalidMatchSpecError:
        return None


def _same(channel: str | None, other: str | None) -> bool:
    return bool(channel and other) and bare_channel(str(channel)) == bare_channel(str(other))


def _available(spec: MatchSpec | None, records: Sequence[RepoDataRecord]) -> str:
    """The versions nearest to what was asked for; the builds, where the version is there and only its build is not."""
    versions = sorted({record.version for record in records}, reverse=True)
    asked = _first_version(spec)
    if asked is not None and spec is not None and spec.build and asked in versions:
        builds = sorted({str(record.build) for record in records if record.version == asked})
        return f"Builds of version {asked}: {_listed(builds)}."
    if asked is not None and len(versions) > _SHOWN:
        place = sum(version > asked for version in versions)
        start = max(0, min(place - _SHOWN // 2, len(versions) - _SHOWN))
        nearest = ", ".join(str(version) for version in versions[start : start + _SHOWN])
        return f"Nearest: {nearest} (newest {versions[0]})."
    return f"Available: {_listed([str(version) for version in versions])}."


def _first_version(spec: MatchSpec | None) -> VersionWithSource | None:
    found = re.search(r"\d\w*(\.\w+)*", spec.version or "") if spec else None
    try:
        return VersionWithSource(found[0]) if found else None
    except InvalidVersionError:
        return None


def _listed(texts: Sequence[str]) -> str:
    rest = len(texts) - _SHOWN
    return ", ".join(texts[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
