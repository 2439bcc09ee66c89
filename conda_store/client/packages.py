"""Packages over the REST API: those of channels and of builds, and what a specification would be solved to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from conda_store.client.answers import time_of
from conda_store.client.connection import Speaker

# A solve is bounded by the server; it may load the index of a channel first.
_SOLVE_TIMEOUT = httpx.Timeout(330.0, connect=10.0)


@dataclass(frozen=True)
class Channel:
    """A channel that the server knows; `last_update` is when its index was read last."""

    id: int
    name: str
    last_update: datetime | None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Channel:
        """From JSON."""
        return cls(data["id"], data["name"], time_of(data["last_update"]) if data.get("last_update") else None)


@dataclass(frozen=True)
class Package:
    """A package of a channel; `channel` is its name."""

    name: str
    version: str
    build: str
    channel: str
    license: str | None
    summary: str
    sha256: str

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Package:
        """From JSON."""
        return cls(
            name=data["name"],
            version=data["version"],
            build=data.get("build") or "",
            channel=data["channel"]["name"],
            license=data.get("license"),
            summary=data.get("summary") or "",
            sha256=data.get("sha256") or "",
        )


@dataclass(frozen=True)
class SolvedPackage:
    """A package that a solve chose; `channel` is its name where the server tells it, `size` in bytes."""

    name: str
    version: str
    build: str
    channel: str
    size: int
    sha256: str

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> SolvedPackage:
        """From JSON."""
        channel = data.get("channel")
        named = channel.get("name") if isinstance(channel, Mapping) else channel
        return cls(
            name=data["name"],
            version=str(data["version"]),
            build=data.get("build") or "",
            channel=str(named or data.get("channel_id") or ""),
            size=data.get("size") or 0,
            sha256=data.get("sha256") or "",
        )


class Packages(Speaker):
    """Packages: searched, solved, and those of a build."""

    def channels(self) -> Iterator[Channel]:
        """Channels that the server knows."""
        return self._connection.pages("channel/", Channel.of, {})

    def packages(
        self,
        search: str | None = None,
        *,
        exact: str | None = None,
        build: str | None = None,
        channel: str | None = None,
        distinct_on: Sequence[str] = (),
    ) -> Iterator[Package]:
        """Packages of the channels that the server knows, by name and version.

        `search` is part of a name, `exact` a whole one; `distinct_on` (name, version, channel) gives one row for each.
        """
        filters = {
            "search": search,
            "exact": exact,
            "build": build,
            "channel": channel,
            "distinct_on": tuple(distinct_on),
            "sort_by": ("name", "version", "channel"),
            "order": "asc",
        }
        return self._connection.pages("package/", Package.of, filters)

    def build_packages(self, build_id: int, search: str | None = None) -> Iterator[Package]:
        """Packages of a build; `search` is part of a name."""
        return self._connection.pages(f"build/{build_id}/packages/", Package.of, {"search": search})

    def solve(
        self, conda: Sequence[str] = (), pip: Sequence[str] = (), channels: Sequence[str] = ()
    ) -> list[SolvedPackage]:
        """The packages that would be installed for these requirements, without building anything.

        Raises `BadInput` with the conflict when there is no solution.
        """
        asked = {"channel": list(channels), "conda": list(conda), "pip": list(pip)}
        return self._connection.bare(
            "specification/",
            lambda answer: [SolvedPackage.of(one) for one in answer["solve"]],
            params={name: values for name, values in asked.items() if values},
            timeout=_SOLVE_TIMEOUT,
        )

    def solve_file(self, source: str, namespace: str | None = None) -> list[SolvedPackage]:
        """The packages that a specification or lockfile would install in a namespace (default: the caller's own), under
        its rules and with its credentials, without building anything. Raises `BadInput` as `solve` does."""
        return self._connection.data(
            "POST",
            "specification/solve/",
            lambda answer: [SolvedPackage.of(one) for one in answer["solve"]],
            json={"specification": source, **({"namespace": namespace} if namespace else {})},
            timeout=_SOLVE_TIMEOUT,
        )
