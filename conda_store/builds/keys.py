"""How a build is named: on disk, as a tag, in storage. Values only; nothing is read or written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_SHORT_DIGITS = 8


def build_key(spec_sha256: str, scheduled_on: datetime, build_id: int, environment_name: str) -> str:
    """`<specification-sha256>-<YYYYMMDD-HHMMSS-ffffff>-<build id>-<environment name>`, the time in UTC."""
    return f"{spec_sha256}-{scheduled_on.astimezone(UTC):%Y%m%d-%H%M%S-%f}-{build_id}-{environment_name}"


def short_key(spec_sha256: str, scheduled_on: datetime, build_id: int, environment_name: str) -> str:
    """The same with the first eight digits of the digest: the name of the prefix on disk."""
    return build_key(spec_sha256[:_SHORT_DIGITS], scheduled_on, build_id, environment_name)


def artifact_key(build_id: int, file_name: str) -> str:
    """Where a file of a build lies in the storage."""
    return f"artifacts/{build_id}/{file_name}"


def scratch_of(prefix: Path) -> Path:
    """The directory beside a prefix in which it is made."""
    return prefix.parent / f".{prefix.name}.conda-store"


@dataclass(frozen=True)
class Places:
    """Where installed environments stand: `<prefixes>/<namespace>/<short key>`, and a link to the current one at
    `<environments>/<namespace>/<name>`."""

    prefixes: Path
    environments: Path

    def prefix(self, namespace: str, key: str) -> Path:
        """The prefix of the build with this short key."""
        return self.prefixes / _component(namespace) / _component(key)

    def link(self, namespace: str, environment: str) -> Path:
        """The link to an environment's current prefix."""
        return self.environments / _component(namespace) / _component(environment)


def _component(name: str) -> str:
    # A namespace may be called almost anything; only these two names mean other directories.
    if name.startswith("%"):
        return f"%25{name[1:]}"
    return name.replace(".", "%2e") if name in {".", ".."} else name
