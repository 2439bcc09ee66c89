"""Locking the pip section: which wheels, by digest, complete what the conda packages bring.

`uv pip compile` solves, beside what conda provides (`pip_provided`); a failure is put into words in `pip_failure`.
What a wheel becomes in a prefix is `wheels`. Format of uv's answer: `pylock.toml` (PEP 751).
"""

from __future__ import annotations

import tempfile
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from conda_store.errors import BadInput, CondaStoreError, PolicyRefused, SolveFailed
from conda_store.packages.index_gate import IndexGate
from conda_store.packages.locked import LockedWheel
from conda_store.packages.pip_failure import direct_conflict, explain, no_wheel
from conda_store.packages.pip_provided import ProvidedDistribution, write_provided
from conda_store.packages.uv_process import run_uv, without_credentials
from conda_store.packages.wheel_target import WheelTarget

_COMPILE = (
    *("pip", "compile", "-", "--constraints", "constraints.txt", "--format", "pylock.toml"),
    *("--only-binary", ":all:", "--no-header", "--quiet"),
)


def lock_wheels(
    requirements: Sequence[str],
    *,
    platform: str,
    python_version: str,
    glibc: str = "2.28",
    provided: Sequence[ProvidedDistribution] = (),
    cache_directory: Path,
    allow_sdists: bool = False,
    index_urls: Sequence[str] = (),
    check_url: Callable[[str], object] | None = None,
    gate: IndexGate | None = None,
) -> tuple[LockedWheel, ...]:
    """The wheels that meet `requirements` beside `provided`, sorted by name; those are never among them.

    `index_urls` replace those of the `UV_*` variables: the first is the default, the others are asked before it.
    `check_url` raises to forbid a direct URL; private indexes are asked through `gate`. Raises
    `SolveFailed`, `FetchFailed`, `BadInput`, `PolicyRefused`.
    """
    if allow_sdists:
        raise PolicyRefused("Source distributions cannot be built yet: pip takes wheels only; unset allow_sdists.")
    target = WheelTarget(platform, python_version, glibc)
    lines = [_checked(requirement, check_url) for requirement in requirements]
    if conflict := direct_conflict(lines, provided):
        raise SolveFailed(conflict)
    return _solve(lines, target, provided, cache_directory.resolve(), index_urls, gate) if lines else ()


def _solve(
    lines: Sequence[str],
    target: WheelTarget,
    provided: Sequence[ProvidedDistribution],
    cache_directory: Path,
    index_urls: Sequence[str],
    gate: IndexGate | None,
) -> tuple[LockedWheel, ...]:
    constraints = write_provided(provided, cache_directory / "provided")
    arguments = [*_COMPILE, "--cache-dir", str(cache_directory / "uv"), *target.uv_options]
    with tempfile.TemporaryDirectory() as name:
        Path(name, "constraints.txt").write_text(constraints)
        done = run_uv(arguments, directory=Path(name), text="\n".join(lines) + "\n", index_urls=index_urls, gate=gate)
    if done.returncode:
        raise explain(done.stderr, lines, provided, target)
    return _read_lock(done.stdout, provided, target)


def _checked(text: str, check_url: Callable[[str], object] | None) -> str:
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        reason = without_credentials(str(error).splitlines()[0])
        raise BadInput(f"'{without_credentials(text.strip())}' is not a pip requirement: {reason}.") from None
    if requirement.url is not None:
        if not urlsplit(requirement.url).path.endswith(".whl"):
            raise PolicyRefused(
                f"pip's requirement '{without_credentials(text)}' is not a wheel; only wheels can be installed."
            )
        if check_url:
            check_url(requirement.url)
    return str(requirement)


def _read_lock(text: str, provided: Sequence[ProvidedDistribution], target: WheelTarget) -> tuple[LockedWheel, ...]:
    """Wheels of a `pylock.toml` (PEP 751), one for each package that is not provided."""
    brought = {distribution.name for distribution in provided}
    rank = {tag: place for place, tag in enumerate(target.tags())}
    try:
        packages = tomllib.loads(text).get("packages", [])
        return tuple(sorted(_locked(package, rank, target) for package in packages if package["name"] not in brought))
    except (KeyError, TypeError, ValueError) as error:
        raise CondaStoreError(
            f"pip: uv wrote a lock that cannot be read ({error!r}); is its version supported?"
        ) from error


def _locked(package: Mapping[str, Any], rank: Mapping[Tag, int], target: WheelTarget) -> LockedWheel:
    candidates = [*package.get("wheels", ()), *filter(None, [package.get("archive")])]
    best = min(candidates, key=lambda wheel: _rank(_file_name(wheel), rank), default=None)
    if best is None or _rank(_file_name(best), rank) == len(rank):
        raise SolveFailed(no_wheel(str(package["name"]), target))
    return LockedWheel(
        name=package["name"],
        version=package.get("version") or str(parse_wheel_filename(_file_name(best))[1]),
        url=_plain_url(best.get("url") or Path(best["path"]).as_uri()),
        sha256=best["hashes"]["sha256"],
        size=best.get("size"),
        depends=tuple(sorted(dependency["name"] for dependency in package.get("dependencies", ()))),
    )


def _file_name(wheel: Mapping[str, Any]) -> str:
    return unquote(urlsplit(wheel.get("url") or wheel["path"]).path.rpartition("/")[2])


def _rank(file_name: str, rank: Mapping[Tag, int]) -> int:
    try:
        tags = parse_wheel_filename(file_name)[3]
    except InvalidWheelFilename:
        return len(rank)
    return min((rank.get(tag, len(rank)) for tag in tags), default=len(rank))


def _plain_url(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, parts.query, ""))
