"""Environments that notebooks can run in, over the REST API."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from conda_store.client.connection import Speaker


@dataclass(frozen=True)
class Kernel:
    """A Jupyter kernel in a build, by the name of its directory there."""

    name: str
    display_name: str
    language: str


@dataclass(frozen=True)
class RunnableBuild:
    """A build with kernels. `prefix` is its path on the server, `digest` that of its image; either may be missing."""

    namespace: str
    environment: str
    build_id: int
    current: bool
    digest: str | None
    prefix: str | None
    kernels: tuple[Kernel, ...]

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> RunnableBuild:
        """From JSON."""
        kernels = tuple(Kernel(one["name"], one["display_name"], one["language"]) for one in data["kernels"])
        names = str(data["namespace"]), str(data["environment"])
        return cls(*names, int(data["build_id"]), bool(data["current"]), data["digest"], data["prefix"], kernels)


class Kernels(Speaker):
    """Builds that hold a Jupyter kernel."""

    def kernels(
        self, namespace: str | None = None, name: str | None = None, builds: Collection[int] = ()
    ) -> list[RunnableBuild]:
        """The current builds with a kernel that the caller may read, in one answer; of others those in `builds`."""
        given = {"namespace": namespace, "name": name, "build": sorted(builds)}
        params = {key: value for key, value in given.items() if value not in (None, [])}
        return self._connection.rows("kernel/", RunnableBuild.of, params=params)

    def changed_kernels(self, tag: str, builds: Collection[int] = ()) -> tuple[str, list[RunnableBuild]] | None:
        """The same with a tag that names the answer; None while it would be that which `tag` names ("": none)."""
        options: dict[str, Any] = {"params": {"build": sorted(builds)}}
        options["headers"] = {"If-None-Match": tag} if tag else {}
        with self._connection.open("GET", "kernel/", **options) as response:
            if response.status_code == httpx.codes.NOT_MODIFIED:
                return None
            body = response.read()
        return response.headers.get("etag", ""), self._connection.read_rows(body, RunnableBuild.of)
