"""The python distributions that conda packages bring, and how uv is told of them.

To uv each is a wheel at a fixed URL which holds metadata only: so it is neither replaced nor fetched again, and a
requirement that it does not meet is a conflict. Format: PyPA "Core metadata" and "Binary distribution format".
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.metadata import parse_email
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from conda_store.errors import StorageFull
from conda_store.packages.contents import Contents

_METADATA = re.compile(r"(?:^|/)site-packages/[^/]+\.(?:dist-info/METADATA|egg-info/PKG-INFO|egg-info)$")


@dataclass(frozen=True)
class ProvidedDistribution:
    """A python distribution that a conda package brings.

    `name` is normalised (PEP 503), `version` as PEP 440 writes it; `requires` and `provides_extra` are the
    metadata's `Requires-Dist` and `Provides-Extra`.
    """

    name: str
    version: str
    requires: tuple[str, ...] = ()
    provides_extra: tuple[str, ...] = ()


def provided_distributions(contents: Iterable[Contents]) -> tuple[ProvidedDistribution, ...]:
    """The python distributions among conda packages, sorted by name; metadata that cannot be read is passed over."""
    found: dict[str, ProvidedDistribution] = {}
    for package in contents:
        if package.kind == "conda" and any(map(_METADATA.search, package.paths)):
            for file in package.files:
                if _METADATA.search(file.target) and file.link_target is None:
                    distribution = _read_metadata(file.read())
                    if distribution is not None:
                        found.setdefault(distribution.name, distribution)
    return tuple(found[name] for name in sorted(found))


def write_provided(provided: Sequence[ProvidedDistribution], root: Path) -> str:
    """Wheels of metadata alone, named by their content (so uv's cache knows them again), as lines of constraints."""
    names = {distribution.name for distribution in provided}
    lines = []
    for distribution in provided:
        stem = f"{distribution.name.replace('-', '_')}-{distribution.version}"
        data = _metadata_wheel(stem, distribution, names)
        place = root.resolve() / hashlib.sha256(data).hexdigest()[:16] / f"{stem}-py3-none-any.whl"
        if not place.exists():
            _write_whole(place, data)
        lines.append(f"{distribution.name} @ {place.as_uri()}\n")
    return "".join(lines)


def _read_metadata(data: bytes) -> ProvidedDistribution | None:
    raw, _ = parse_email(data)
    try:
        version = str(Version(raw["version"]))
        name = canonicalize_name(raw["name"], validate=True)
    except (KeyError, ValueError):
        return None
    return ProvidedDistribution(
        name, version, tuple(raw.get("requires_dist", ())), tuple(raw.get("provides_extra", ()))
    )


def _write_whole(place: Path, data: bytes) -> None:
    temporary = place.with_name(f"{place.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        temporary.replace(place)
    except OSError as error:
        raise StorageFull(f"pip: the cache {place.parent} cannot be written: {error.strerror}.") from error


def _metadata_wheel(stem: str, distribution: ProvidedDistribution, provided: set[str]) -> bytes:
    head = [f"Metadata-Version: 2.1\nName: {distribution.name}\nVersion: {distribution.version}"]
    head += [f"Requires-Dist: {text}" for text in _requires(distribution, provided)]
    head += [f"Provides-Extra: {extra}" for extra in distribution.provides_extra]
    tags = "Wheel-Version: 1.0\nGenerator: conda-store\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in (("METADATA", "\n".join(head) + "\n"), ("WHEEL", tags), ("RECORD", "")):
            archive.writestr(zipfile.ZipInfo(f"{stem}.dist-info/{name}"), text)
    return buffer.getvalue()


def _requires(distribution: ProvidedDistribution, provided: set[str]) -> Iterable[str]:
    """Requirements, without the versions of what conda brings too: conda has judged that these fit together."""
    for text in distribution.requires:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if canonicalize_name(requirement.name) in provided:
            requirement.specifier, requirement.url = SpecifierSet(), None
        if requirement.url is None:
            yield str(requirement)
