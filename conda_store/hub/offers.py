"""Which environments a server can start in, and what a chosen one is: asked of conda-store, which knows who may."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tornado.web import HTTPError

from conda_store.client import Build, Client, NotAllowed, NotFound
from conda_store.errors import BadInput, CondaStoreError

_COMPLETED, _READY = "COMPLETED", "READY"


class EnvironmentUnavailable(HTTPError):
    """Why a server does not start in an environment; the Hub shows `jupyterhub_message` to its user."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, "%s", message)
        self.jupyterhub_message = message


@dataclass(frozen=True)
class Offer:
    """An environment that can be chosen."""

    namespace: str
    name: str
    description: str

    @property
    def path(self) -> str:
        """As it is written in options."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Wanted:
    """What somebody chose; without `build_id` the current build."""

    namespace: str
    name: str
    build_id: int | None = None

    @classmethod
    def of(cls, options: Mapping[str, Any], fallback: str) -> Wanted | None:
        """From `{"environment": "data/course", "build": 7}`; `fallback` counts when no environment is named.

        None for a server without environment. Raises `EnvironmentUnavailable` for anything else: users write this.
        """
        said, build = options.get("environment"), options.get("build")
        if said is None and build is None:
            said = fallback
        if said == "" and not build:
            return None
        namespace, slash, name = said.partition("/") if isinstance(said, str) else ("", "", "")
        if not (namespace and slash and name) or "/" in name:
            raise EnvironmentUnavailable(400, f"'environment' must be like \"data/course\", and not {said!r:.100}.")
        if build is None or build == "":
            return cls(namespace, name)
        if isinstance(build, bool) or not str(build).isdecimal():
            raise EnvironmentUnavailable(400, f"'build' must be the number of a build, and not {build!r:.100}.")
        return cls(namespace, name, int(build))

    @property
    def path(self) -> str:
        """The environment, as it is written in options."""
        return f"{self.namespace}/{self.name}"

    def __str__(self) -> str:
        return self.path if self.build_id is None else f"build {self.build_id} of {self.path}"


@dataclass(frozen=True)
class Chosen:
    """A build that a server can start in."""

    wanted: Wanted
    build: Build


def find_offers(client: Client, packages: Collection[str], namespaces: Collection[str]) -> list[Offer]:
    """Environments that the caller may read and that hold one of `packages`, sorted; `namespaces` narrow when given."""
    found = set()
    for package in packages or ("",):
        asked = [package] if package else []
        for one in client.environments(status=_COMPLETED, packages=asked):
            if not namespaces or one.namespace in namespaces:
                found.add(Offer(one.namespace, one.name, one.description))
    return sorted(found, key=lambda offer: (offer.namespace, offer.name))


def choose(client: Client, wanted: Wanted, namespaces: Collection[str]) -> Chosen:
    """The build of an environment that the caller may read. Raises `EnvironmentUnavailable`."""
    if namespaces and wanted.namespace not in namespaces:
        allowed = ", ".join(sorted(namespaces))
        raise EnvironmentUnavailable(403, f"Servers start in environments of {allowed} only, not in {wanted.path}.")
    try:
        build = client.build(client.build_number(wanted.namespace, wanted.name, wanted.build_id))
    except NotAllowed as error:
        if error.code == "credentials_invalid":
            raise
        message = f"You may not use {wanted}, or there is no such environment: choose another."
        raise EnvironmentUnavailable(403, message) from error
    except NotFound as error:
        message = f"{wanted} is not there any more: choose another. ({error.message})"
        raise EnvironmentUnavailable(404, message) from error
    except BadInput as error:
        raise EnvironmentUnavailable(400, error.message) from error
    if build.status != _COMPLETED:
        message = f"Build {build.id} of {wanted.path} is {build.status}: choose another one, or wait for it."
        raise EnvironmentUnavailable(409, message)
    return Chosen(wanted, build)


def prefix_of(chosen: Chosen, program: str) -> Path:
    """The directory of a build on this machine, with `program` in it. Raises `EnvironmentUnavailable`."""
    places = [one.key for one in chosen.build.artifacts or () if one.artifact_type == "DIRECTORY"]
    prefix = Path(places[0]) if places else None
    if prefix is None or not os.path.isdir(prefix):  # noqa: PTH112  the other one raises where nobody may look
        message = f"Build {chosen.build.id} of {chosen.wanted.path} is not on this machine: build it once more."
        raise EnvironmentUnavailable(409, message)
    if not os.path.exists(prefix / "bin" / program):  # noqa: PTH110
        message = (
            f"{chosen.wanted.path} cannot run a server: it holds no {program}. Add jupyterhub and jupyterlab to it."
        )
        raise EnvironmentUnavailable(409, message)
    return prefix


def image_of(client: Client, chosen: Chosen, packages: Collection[str], registry: str) -> str:
    """The reference of a build's image, by digest where it is made already. Raises `EnvironmentUnavailable`.

    Otherwise by the key of the build, which no other build has: the registry makes the image when it is pulled.
    """
    number = chosen.build.id
    if packages and not any(one.name in packages for name in packages for one in client.build_packages(number, name)):
        message = f"{chosen.wanted.path} cannot run a server: it holds none of {', '.join(packages)}. Add one to it."
        raise EnvironmentUnavailable(409, message)
    image = client.image_reference(number)
    host, _, rest = image.image.partition("/")
    repository, _, tag = rest.rpartition(":")
    return f"{registry or host}/{repository}" + (f"@{image.digest}" if image.digest else f":{tag}")


def unanswered(error: CondaStoreError) -> EnvironmentUnavailable:
    """What a user hears when conda-store could not be asked: its address is none of theirs, and stands in the log."""
    if isinstance(error, NotAllowed):
        return EnvironmentUnavailable(403, f"conda-store does not answer you: {error.message}")
    return EnvironmentUnavailable(503, "conda-store does not answer: try again soon, or start without an environment.")
