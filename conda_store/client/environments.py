"""Environments over the REST API, and what is posted to make one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from conda_store.client.answers import Build, Environment, Submission
from conda_store.client.connection import Speaker, quoted
from conda_store.errors import BadInput


class Environments(Speaker):
    """Environments: made, listed, changed, deleted."""

    def create(
        self,
        source: bytes | str,
        namespace: str | None = None,
        is_lockfile: bool | None = None,
        environment_name: str | None = None,
        platforms: Sequence[str] = (),
    ) -> int:
        """Build a specification or lockfile; the number of its build. As `submit`, which tells warnings too."""
        return self.submit(source, namespace, is_lockfile, environment_name, platforms).build_id

    def submit(
        self,
        source: bytes | str,
        namespace: str | None = None,
        is_lockfile: bool | None = None,
        environment_name: str | None = None,
        platforms: Sequence[str] = (),
    ) -> Submission:
        """Build a specification or lockfile: the number of its build, and what its author should hear.

        `namespace` is the caller's own by default; whether it is a lockfile is seen from the text by default, and
        `environment_name` is for texts without a name. `platforms` (conda's names) replace those of a specification.
        Raises `BadInput` with `problems` for a text with faults.
        """
        body = {
            "specification": source if isinstance(source, str) else _decoded(source),
            "namespace": namespace,
            "is_lockfile": is_lockfile,
            "environment_name": environment_name,
            "platforms": list(platforms) or None,
        }
        sent = {name: value for name, value in body.items() if value is not None}
        return self._connection.data("POST", "specification/", Submission.of, json=sent)

    def environments(
        self,
        namespace: str | None = None,
        name: str | None = None,
        search: str | None = None,
        status: str | None = None,
        packages: Sequence[str] = (),
    ) -> Iterator[Environment]:
        """Environments that the caller may see, without their current builds.

        `search` is part of either name; `status` and `packages` (all of them) test the current build.
        """
        filters = {"namespace": namespace, "name": name, "search": search, "status": status, "packages": packages}
        return self._connection.pages("environment/", Environment.of, filters)

    def environment(self, namespace: str, name: str) -> Environment:
        """One environment, with its current build."""
        return self._connection.data("GET", _path(namespace, name), Environment.of)

    def specification_text(self, namespace: str, name: str) -> str:
        """The text of the specification of an environment's current build; `BadInput` when it came from a lockfile."""
        build = self.environment(namespace, name).current_build
        if build is not None and build.specification is not None and "lockfile" in build.specification:
            raise BadInput(f"{namespace}/{name} was made from a lockfile: there is no specification to edit.")
        with self._connection.open("GET", f"{_path(namespace, name)}yaml/") as response:
            return _decoded(response.read())

    def change_environment(
        self, namespace: str, name: str, *, build_id: int | None = None, description: str | None = None
    ) -> None:
        """Make a COMPLETED build of an environment its current one, or give it another description."""
        body = {"build_id": build_id, "description": description}
        sent = {key: value for key, value in body.items() if value is not None}
        self._connection.tell("PUT", _path(namespace, name), json=sent)

    def delete_environment(self, namespace: str, name: str) -> None:
        """Delete an environment with all of its builds; those that run are canceled."""
        self._connection.tell("DELETE", _path(namespace, name))

    def build_number(self, namespace: str, name: str, build_id: int | None = None) -> int:
        """The current build of an environment, or `build_id` when it is one of its builds (else `BadInput`)."""
        environment = self.environment(namespace, name)
        if build_id is None:
            return environment.current_build_id
        build = self._connection.data("GET", f"build/{build_id}/", Build.of)
        if build.environment_id != environment.id:
            raise BadInput(f"Build {build_id} is not one of {namespace}/{name}.")
        return build_id


def _path(namespace: str, name: str) -> str:
    return f"environment/{quoted(namespace)}/{quoted(name)}/"


def _decoded(source: bytes) -> str:
    try:
        return source.decode()
    except UnicodeDecodeError as error:
        raise BadInput(f"The file is not UTF-8 (byte {error.start}): save it as such.") from error
