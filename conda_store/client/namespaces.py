"""Namespaces over the REST API: their roles, their metadata, and what they use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conda_store.client.connection import Speaker, quoted
from conda_store.errors import BadInput


@dataclass(frozen=True)
class Namespace:
    """A namespace. `metadata` and `role_mappings` (roles by pattern) are empty in lists."""

    id: int
    name: str
    metadata: Mapping[str, Any]
    role_mappings: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Namespace:
        """From JSON."""
        roles: dict[str, list[str]] = {}
        for one in data.get("role_mappings") or ():
            roles.setdefault(one["entity"], []).append(one["role"])
        return cls(data["id"], data["name"], data.get("metadata_") or {}, roles)


@dataclass(frozen=True)
class Role:
    """The role that those who are at home in `other_namespace` have in `namespace`."""

    namespace: str
    other_namespace: str
    role: str

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Role:
        """From JSON."""
        return cls(data["namespace"], data["other_namespace"], data["role"])


@dataclass(frozen=True)
class Usage:
    """What a namespace uses; `storage` in bytes."""

    environments: int
    builds: int
    storage: int

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Usage:
        """From JSON."""
        return cls(int(data["num_environments"]), int(data["num_builds"]), int(data["storage"] or 0))


class Namespaces(Speaker):
    """Namespaces: listed, made, changed, deleted, and opened for others."""

    def namespaces(self) -> Iterator[Namespace]:
        """Namespaces that the caller may see."""
        return self._connection.pages("namespace/", Namespace.of, {})

    def namespace(self, name: str) -> Namespace:
        """One namespace, with its metadata and role mappings."""
        return self._connection.data("GET", _path(name), Namespace.of)

    def create_namespace(self, name: str) -> None:
        """Make a namespace; raises `WrongState` when it exists."""
        self._connection.tell("POST", _path(name))

    def change_namespace(
        self,
        name: str,
        *,
        metadata: Mapping[str, Any] | None = None,
        role_mappings: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Replace the metadata or the role mappings (roles by pattern `namespace/environment`)."""
        body = {
            "metadata": None if metadata is None else dict(metadata),
            "role_mappings": None if role_mappings is None else {key: list(one) for key, one in role_mappings.items()},
        }
        sent = {key: value for key, value in body.items() if value is not None}
        self._connection.tell("PUT", _path(name), json=sent)

    def delete_namespace(self, name: str) -> None:
        """Delete a namespace with everything in it."""
        self._connection.tell("DELETE", _path(name))

    def roles(self, name: str) -> list[Role]:
        """Which other namespaces have which role in this one."""
        return self._connection.rows(f"{_path(name)}roles", Role.of)

    def set_role(self, name: str, other_namespace: str, role: str) -> None:
        """Give those of another namespace a role here (viewer, developer, admin), instead of the one they have."""
        known = any(one.other_namespace == other_namespace for one in self.roles(name))
        body = {"other_namespace": other_namespace, "role": role}
        self._connection.tell("PUT" if known else "POST", f"{_path(name)}role", json=body)

    def remove_role(self, name: str, other_namespace: str) -> None:
        """Take the role of those of another namespace back; raises `NotFound` when they have none."""
        self._connection.tell("DELETE", f"{_path(name)}role", json={"other_namespace": other_namespace})

    def usage(self) -> dict[str, Usage]:
        """What the namespaces use that the caller may see, by name."""
        return self._connection.data(
            "GET", "usage/", lambda data: {name: Usage.of(one) for name, one in sorted(data.items())}
        )


def _path(name: str) -> str:
    """Where a namespace is; raises `BadInput` for what no path can name."""
    if "/" in name or name in {"", ".", ".."}:
        raise BadInput(f"'{name}' is no name for a namespace: leave out '/', '*' and ':', and write a letter.")
    return f"namespace/{quoted(name)}/"
