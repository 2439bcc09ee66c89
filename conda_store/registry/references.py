"""Image references as people write them, and what they mean.

Format: the grammar of github.com/distribution/reference, with Docker's defaults (docker.io, library/, latest).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from conda_store.errors import BadInput

DOCKER_HUB = "docker.io"
NAME_LENGTH = 255

_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]{{1,5}})?")
_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_USER_INFO = re.compile(r"[^/@\s]+@(?!sha256:)")


class ReferenceInvalid(BadInput):
    """A text that is no image reference."""

    code = "reference_invalid"


@dataclass(frozen=True)
class Reference:
    """An image in a registry. Equal references name the same image: `debian` is `docker.io/library/debian:latest`.

    `domain` is a host with an optional port. With a `digest` (`sha256:<hex>`) the `tag` is only a label, which
    equality ignores; without either the tag is `latest`. Raises `ReferenceInvalid`.
    """

    domain: str
    path: str
    tag: str | None = field(default=None)
    digest: str | None = None

    def __post_init__(self) -> None:
        domain = _normal_domain(self.domain)
        official = domain == DOCKER_HUB and "/" not in self.path
        object.__setattr__(self, "domain", domain)
        object.__setattr__(self, "path", f"library/{self.path}" if official else self.path)
        if self.tag is None and self.digest is None:
            object.__setattr__(self, "tag", "latest")
        self._check()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reference) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    @classmethod
    def parse(cls, text: str) -> Reference:
        """`[domain/]path[:tag][@digest]`; raises `ReferenceInvalid`."""
        if "://" in text:
            raise ReferenceInvalid(
                f"The image reference {safe(text)!r} has a scheme: leave out everything up to '://'."
            )
        name, at, digest = text.partition("@")
        if at and _DIGEST.fullmatch(digest) is None:
            raise ReferenceInvalid(
                f"The image reference {safe(text)!r} needs sha256: and 64 hexadecimal digits after '@'."
            )
        head, colon, tag = name.rpartition(":")
        if not colon or "/" in tag:
            head, tag = name, ""
        elif not tag:
            raise ReferenceInvalid(f"The image reference {safe(text)!r} has an empty tag.")
        domain, path = _split_domain(head)
        return cls(domain, path, tag or None, digest or None)

    @property
    def name(self) -> str:
        """`docker.io/library/debian`"""
        return f"{self.domain}/{self.path}"

    @property
    def target(self) -> str:
        """What is asked for in the registry: the digest, or else the tag."""
        return self.digest or self.tag or "latest"

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.name}{tag}{f'@{self.digest}' if self.digest else ''}"

    @property
    def _identity(self) -> tuple[str, str, str]:
        return (self.domain, self.path, self.target)

    def _check(self) -> None:
        shown = safe(str(self))
        if _DOMAIN.fullmatch(self.domain) is None:
            raise ReferenceInvalid(f"The image reference {shown!r} has no valid registry host: {self.domain!r}.")
        for component in self.path.split("/"):
            if _COMPONENT.fullmatch(component) is None:
                raise ReferenceInvalid(
                    f"The image reference {shown!r} has an invalid part {component!r}: repository names are lower-case "
                    "letters and digits, with single '.', '_' or '-' between them."
                )
        if len(self.name) > NAME_LENGTH:
            raise ReferenceInvalid(f"The image reference {shown[:60]!r}… is longer than {NAME_LENGTH} characters.")
        if self.tag is not None and _TAG.fullmatch(self.tag) is None:
            raise ReferenceInvalid(f"The image reference {shown!r} has an invalid tag {self.tag!r}.")
        if self.digest is not None and _DIGEST.fullmatch(self.digest) is None:
            raise ReferenceInvalid(f"The image reference {shown!r} has an invalid digest.")


def registry_host(text: str) -> str:
    """A registry's host, with its port where it has one, as the `domain` of references has it.

    Raises `ReferenceInvalid`, also for a URL.
    """
    host = _normal_domain(text.strip())
    if _DOMAIN.fullmatch(host) is None:
        raise ReferenceInvalid(f"{safe(text)!r} is not the host of a registry: write it as 'ghcr.io' or 'host:5000'.")
    return host


def safe(text: str) -> str:
    """`text` without what looks like a user name and password, and not longer than a line."""
    shown = _USER_INFO.sub("***@", text)
    return shown if len(shown) <= 300 else f"{shown[:300]}…"


def _normal_domain(domain: str) -> str:
    lower = domain.lower()
    return DOCKER_HUB if lower in {"index.docker.io", "registry-1.docker.io"} else lower


def _split_domain(name: str) -> tuple[str, str]:
    """Docker's rule: the first component is a host when it has a dot, a colon or a capital, or is localhost."""
    first, slash, rest = name.partition("/")
    is_domain = slash and ("." in first or ":" in first or first == "localhost" or first != first.lower())
    return (first, rest) if is_domain else (DOCKER_HUB, name)
