"""Which channels an environment may take packages from, and under which URL each is found.

A policy is a value; where its parts come from (settings, the command line) is not known here, and no request is
made. An allowed channel may run code of its packages at the user's: that is what allowing one means.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from conda_store.errors import BadInput, PolicyRefused, Problem
from conda_store.packages import channel_urls
from conda_store.packages.channel_urls import is_below, is_path, is_url, normal_url, package_url, strip_credentials
from conda_store.packages.matchspecs import channel_and_name, matchspec_fault
from conda_store.requirements import direct_url, index_option
from conda_store.specification import Entries, Specification, SpecificationLimits

_ANACONDA = "https://repo.anaconda.com/pkgs"
#: What conda means by `defaults`; it is nowhere below an alias and its use is restricted by Anaconda's terms.
_DEFAULTS = (f"{_ANACONDA}/main", f"{_ANACONDA}/r")
#: Where anaconda.org keeps packages.
DEFAULT_REDIRECTS = ("https://binstar-cio-packages-prod.s3.amazonaws.com",)

# Indexes that keep files on another host.
_FILES = {"https://pypi.org": ("https://files.pythonhosted.org",)}


@dataclass(frozen=True)
class ChannelPolicy:
    """What a deployment allows.

    `alias`: URL below which a channel given by name lies. `default_channels`: used by a specification without
    channels; always allowed. `allowed_channels`: names, URLs or patterns, where `*` stands for any text without `/`
    and a closing `*` for everything below; empty allows every name below `alias`, but no other URL and no path.
    `allowed_pip_urls`: prefixes of URLs that a pip section may name. `allowed_redirects`: prefixes of URLs to which
    a channel may redirect besides the allowed channels, such as the storage behind it. `allowed_wheel_urls`: prefixes
    of URLs from which a lockfile may take wheels; empty for any that the package index offers (`pip_index`).
    `index_urls` are the package indexes that there are, the default first; empty for those of the machine.
    `level` is who says all this; what the policy `within` does not allow is not allowed here either.
    """

    alias: str = "https://conda.anaconda.org"
    default_channels: tuple[str, ...] = ("conda-forge",)
    allowed_channels: tuple[str, ...] = ()
    allowed_pip_urls: tuple[str, ...] = ()
    allowed_redirects: tuple[str, ...] = DEFAULT_REDIRECTS
    allowed_wheel_urls: tuple[str, ...] = ()
    index_urls: tuple[str, ...] = ()
    allow_pip_options: bool = False
    level: str = ""
    within: ChannelPolicy | None = None

    def with_channels(self, channels: Sequence[str | Path]) -> ChannelPolicy:
        """The policy of a user on their own machine: these channels (URLs, names, directories) are the default
        and allowed besides what was allowed before."""
        if not channels:
            return self
        given = tuple(dict.fromkeys(self._given(channel) for channel in channels))
        return replace(self, default_channels=given, allowed_channels=(*(self.allowed_channels or ("*",)), *given))

    def limits(self, base: SpecificationLimits) -> SpecificationLimits:
        """`base` with what this policy says of pip sections."""
        urls = bool(self.allowed_pip_urls)
        return replace(
            base,
            allow_pip_urls=urls,
            allow_pip_options=self.allow_pip_options,
            allow_pip_indexes=bool(self.index_urls),
        )

    def channel_url(self, name_or_url: str) -> str:
        """The normal URL of a channel, without closing slash. Raises BadInput; whether it is allowed: `check`."""
        if is_url(name_or_url):
            return channel_urls.channel_url(name_or_url)
        if is_path(name_or_url):
            shown = name_or_url.strip()[:80]
            raise BadInput(f"The channel '{shown}' is a local path: name a channel, or write a 'file:///…' URL.")
        return f"{normal_url(self.alias)}/{channel_urls.channel_name(name_or_url)}"

    def channels_for(self, specification: Specification, extra: Sequence[str] = ()) -> list[str]:
        """URLs in order of priority: the specification's or the defaults, then `extra`, then those before `::`."""
        named = (channel_and_name(text).channel for text in specification.dependencies if "::" in text)
        wanted = [*(specification.channels or self.default_channels), *extra, *(name for name in named if name)]
        return list(dict.fromkeys(url for name in wanted for url in self._urls(name)))

    def resolved(self, dependency: str) -> str:
        """A dependency as a solver must see it: with the full URL of its channel, since a solver knows no alias."""
        channel = channel_and_name(dependency).channel
        if channel is None:
            return dependency
        return f"{self._urls(channel)[0]}::{dependency.partition('::')[2]}"

    def check(self, entries: Entries) -> list[Problem]:
        """Every channel, `channel::package` and pip URL of a file that is malformed or not allowed, with its place."""
        found: list[Problem] = []
        for entry in entries.channels:
            if entry.text != "nodefaults" and (fault := self.channel_fault(entry.text)):
                found.append(entry.problem(fault))
        for entry in entries.dependencies:
            if "::" in entry.text and not matchspec_fault(entry.text):
                channel, name = channel_and_name(entry.text)
                if channel and (fault := self.channel_fault(channel)):
                    found.append(entry.problem(f"The package '{name}' is asked for from another channel. {fault}"))
        for entry in entries.pip:
            if (url := direct_url(entry.text)) is not None and (fault := self._pip_url_fault(url)):
                found.append(entry.problem(fault))
        if entries.pip and (fault := self._index_fault([entry.text for entry in entries.pip])):
            named = (entry for entry in entries.pip if index_option(entry.text))
            found.append(next(named, entries.pip[0]).problem(fault))
        return found

    def channel_fault(self, name_or_url: str) -> str | None:
        """Why a channel cannot be used; None when it can."""
        try:
            urls = self._urls(name_or_url)
        except BadInput as error:
            return error.message
        refusing = next(filter(None, map(self._refusing, urls)), None)
        if refusing is None:
            return None
        shown = strip_credentials(name_or_url.strip())[:200]
        where, way_out = refusing._where, refusing._way_out(shown)
        if is_url(name_or_url) and re.match(r"(file|http):", name_or_url.strip(), re.IGNORECASE):
            scheme = name_or_url.strip().partition(":")[0].lower()
            return f"The channel '{shown}' is a '{scheme}:' URL that is not allowed {where}. {way_out}"
        return f"The channel '{shown}' is not allowed {where}. {way_out}"

    def allows(self, url: str) -> bool:
        """Whether a channel, given by its normal URL, is allowed."""
        return self._refusing(url) is None

    def _refusing(self, url: str) -> ChannelPolicy | None:
        """The policy that does not allow a channel: this one, or one that it lies within, the outermost first."""
        outer = self.within._refusing(url) if self.within else None
        return outer or (None if any(pattern.fullmatch(url) for pattern in self._patterns) else self)

    def check_url(self, url: str, *, kind: str) -> None:
        """Check a URL before it is requested. `kind` says what it is, also in the message: `package` (a conda
        package in a lockfile), `wheel` (in a lockfile), `redirect`, or `pip` (a direct URL). Raises PolicyRefused."""
        try:
            normal = normal_url(url.partition("?")[0] if kind == "redirect" else url)
            if kind == "package":
                normal = package_url(url).channel
                allowed = self.allows(normal)
            elif kind == "redirect":
                allowed = self._redirect_allowed(normal)
            elif kind == "wheel":
                allowed = self._wheel_allowed(normal)
            else:
                allowed = self._pip_url_allowed(normal)
        except BadInput as error:
            raise PolicyRefused(f"A {kind} URL was refused. {error.message}") from None
        if not allowed:
            shown = strip_credentials(url)[:200]
            raise PolicyRefused(f"The {kind} URL '{shown}' is not below an allowed channel. {self._way_out(shown)}")

    def check_asked(self, url: str) -> None:
        """Check a URL that a solver or a download asks for: below an allowed channel. Raises `PolicyRefused`."""
        segments = normal_url(url.partition("?")[0]).split("/")
        if not any(self.allows("/".join(segments[:end])) for end in range(len(segments) - 1, 2, -1)):
            self.check_url(url, kind="redirect")

    def indexes_for(self, pip: Iterable[str]) -> tuple[str, ...]:
        """The package indexes for a pip section, the default first; none for those of the machine.

        What its options name counts, in the order of `index_urls`. Raises `PolicyRefused` for one that is not allowed.
        """
        known = [normal_url(url) for url in self.index_urls]
        options = [option for text in pip if (option := index_option(text))]
        named = {normal_url(option.url): option.is_default for option in options}
        defaults = [url for url, is_default in named.items() if is_default] or known[:1]
        if len(defaults) > 1:
            raise PolicyRefused("The pip section names more than one --index-url: make the others --extra-index-url.")
        others = sorted(named or known, key=lambda url: known.index(url) if url in known else -1)
        wanted = tuple(dict.fromkeys([*defaults, *others]))
        for url in wanted:
            if refusing := self._index_refusing(url):
                raise PolicyRefused(
                    f"The package index '{url}' is not allowed {refusing._pip_where}: leave the option out, or let an "
                    "administrator allow it."
                )
        return wanted

    def _index_refusing(self, url: str) -> ChannelPolicy | None:
        outer = self.within._index_refusing(url) if self.within else None
        return outer or (None if url in map(normal_url, self.index_urls) else self)

    def _index_fault(self, pip: Iterable[str]) -> str | None:
        try:
            self.indexes_for(pip)
        except BadInput as error:
            return error.message
        return None

    def _wheel_allowed(self, url: str) -> bool:
        """Where a wheel may lie: anywhere that the machine's indexes name, and beside indexes that the policy names."""
        prefixes = list(self.allowed_wheel_urls)
        for index in map(normal_url, self.index_urls):
            origin = "/".join(index.split("/")[:3])
            prefixes += [origin, *_FILES.get(origin, ()), *self.allowed_redirects]
        here = not prefixes or any(is_below(url, normal_url(prefix)) for prefix in prefixes)
        within = self.within is None or self.within._wheel_allowed(url)
        return (here and within) or self._pip_url_allowed(url)

    def _pip_url_allowed(self, url: str) -> bool:
        here = any(is_below(url, normal_url(prefix)) for prefix in self.allowed_pip_urls)
        return here and (self.within is None or self.within._pip_url_allowed(url))

    def _redirect_allowed(self, url: str) -> bool:
        if any(is_below(url, normal_url(prefix)) for prefix in self.allowed_redirects):
            return True
        segments = url.split("/")
        # file, subdir (or a shard's folder) and the rest: any parent may be the channel, but never the bare host.
        return any(self.allows("/".join(segments[:end])) for end in range(len(segments) - 1, 3, -1))

    def _urls(self, name_or_url: str) -> list[str]:
        return list(_DEFAULTS) if name_or_url.strip() == "defaults" else [self.channel_url(name_or_url)]

    def _given(self, channel: str | Path) -> str:
        if isinstance(channel, Path) or is_path(channel) or (not is_url(channel) and Path(channel).is_dir()):
            return channel_urls.directory_url(Path(channel))
        return self.channel_url(channel) if is_url(channel) else channel

    def _pip_url_fault(self, url: str) -> str | None:
        plain = re.sub(r"^(git|hg|svn|bzr)\+", "", url)
        try:
            self.check_url(re.sub(r"(\.git)?@[^/@]+$", "", plain.partition("#")[0]), kind="pip")
        except PolicyRefused as error:
            return error.message
        return None

    @cached_property
    def _patterns(self) -> tuple[re.Pattern[str], ...]:
        names = [*(self.allowed_channels or ("*",)), *self.default_channels]
        return tuple(re.compile(pattern) for name in names for pattern in self._as_patterns(name))

    def _as_patterns(self, name: str) -> Iterator[str]:
        if "*" not in name:
            yield from (re.escape(url) for url in self._urls(name))
            return
        url = name.strip() if is_url(name) else f"{normal_url(self.alias)}/{name.strip()}"
        head, rest = (url[:-1], "[^/].*") if url.endswith("/*") else (url, "")
        yield "[^/]*".join(re.escape(part) for part in head.split("*")) + rest

    @property
    def _pip_where(self) -> str:
        return f"in {self.level or 'the deployment'} (pip_policy: index_urls)"

    @property
    def _where(self) -> str:
        return f"in {self.level} (conda_allowed_channels)" if self.level else "here"

    def _way_out(self, shown: str) -> str:
        names = list(dict.fromkeys([*self.default_channels, *self.allowed_channels]))
        near = difflib.get_close_matches(shown, [name for name in names if "*" not in name], 1, 0.6)
        if near:
            return f"Did you mean '{near[0]}'?"
        if not self.allowed_channels:
            return f"Use a channel by its name, such as '{names[0]}'; an administrator can allow others."
        return f"Allowed are {_listed(names)}; an administrator can allow others."


def _listed(names: Iterable[str]) -> str:
    shown = [f"'{strip_credentials(name)}'" for name in names]
    return ", ".join(shown[:8]) + (f" and {len(shown) - 8} more" if len(shown) > 8 else "")
