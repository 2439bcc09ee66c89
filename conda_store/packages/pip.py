"""Locking the pip section: which wheels, by digest, complete what the conda packages bring.

`uv pip compile` solves. To it every python distribution of a conda package is a wheel at a fixed URL which holds
metadata only: so conda's packages are neither replaced nor fetched again, and a requirement that they do not meet
is a conflict. What a wheel becomes in a prefix is `packages/wheels.py`.
"""

from __future__ import annotations

import difflib
import hashlib
import io
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from packaging.metadata import parse_email
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version
from uv import find_uv_bin

from conda_store.errors import BadInput, CondaStoreError, FetchFailed, PolicyRefused, SolveFailed, StorageFull
from conda_store.packages.contents import Contents
from conda_store.packages.locked import LockedWheel

UV_SECONDS = 600
_OPTIONS = ("--no-config", "--no-progress", "--color", "never", "--no-python-downloads")
# What uv 0.13 knows besides `manylinux2014`, which is glibc 2.17 (its --python-platform).
_UV_GLIBC: tuple[int, ...] = (17, 28, *range(31, 41))
_UV_FIXED = {
    "linux-riscv64": "riscv64-unknown-linux",
    "osx-64": "x86_64-apple-darwin",
    "osx-arm64": "aarch64-apple-darwin",
    "win-64": "x86_64-pc-windows-msvc",
    "win-arm64": "aarch64-pc-windows-msvc",
}
_MACHINES = {"64": "x86_64", "arm64": "arm64", "aarch64": "aarch64", "riscv64": "riscv64"}
_MACOS = (13, 0)
_MACHINE_SETTINGS = frozenset(
    (
        *("PATH", "HOME", "TMPDIR", "NETRC", "SSL_CERT_FILE", "SSL_CERT_DIR"),
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "UV_SYSTEM_CERTS", "UV_NATIVE_TLS"),
        *("UV_INSECURE_HOST", "UV_HTTP_TIMEOUT", "UV_HTTP_RETRIES", "UV_KEYRING_PROVIDER", "UV_INDEX_STRATEGY"),
    )
)
_COMPILE = (
    *("pip", "compile", "-", "--constraints", "constraints.txt", "--format", "pylock.toml"),
    *("--only-binary", ":all:", "--no-header", "--quiet"),
)
_INDEX_SETTINGS = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_NO_INDEX")
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


@dataclass(frozen=True)
class WheelTarget:
    """What wheels are chosen for: a conda subdir, a python version (`3.11` or `3.11.7`), a glibc on Linux."""

    platform: str
    python_version: str
    glibc: str = "2.28"

    @property
    def uv_options(self) -> tuple[str, ...]:
        """uv's options for this target."""
        return ("--python-platform", self.uv_platform, "--python-version", self.python_version)

    @property
    def uv_platform(self) -> str:
        """The value for uv's `--python-platform`."""
        if self.platform in _UV_FIXED:
            return _UV_FIXED[self.platform]
        if self.platform in ("linux-64", "linux-aarch64"):
            return f"{_MACHINES[self.platform.removeprefix('linux-')]}-manylinux_2_{self._glibc_minor()}"
        raise BadInput(
            f"pip packages cannot be locked for {self.platform}: choose among linux-64, linux-aarch64, "
            f"{', '.join(_UV_FIXED)}, or leave out the pip section."
        )

    def tags(self) -> tuple[Tag, ...]:
        """All tags that a wheel may carry, best first (PyPA "Platform compatibility tags")."""
        python = tuple(int(part) for part in self.python_version.split(".")[:2])
        platforms = list(self._platform_tags())
        interpreter = f"cp{python[0]}{python[1]}"
        return (*cpython_tags(python, platforms=platforms), *compatible_tags(python, interpreter, platforms))

    def _platform_tags(self) -> Iterable[str]:
        system, _, arch = self.platform.partition("-")
        machine = _MACHINES.get(arch, arch)
        if system == "osx":
            return mac_platforms(_MACOS, machine)
        if system == "win":
            return ["win_amd64" if arch == "64" else "win_arm64"]
        legacy = {17: ["manylinux2014"], 12: ["manylinux2010"], 5: ["manylinux1"]}
        oldest = 5 if machine == "x86_64" else 17
        newest = 39 if machine == "riscv64" else self._glibc_minor()
        names = [n for m in range(newest, oldest - 1, -1) for n in (f"manylinux_2_{m}", *legacy.get(m, ()))]
        return [f"{name}_{machine}" for name in (*names, "linux")]

    def _glibc_minor(self) -> int:
        minor = int(self.glibc.split(".")[1])
        known = [step for step in _UV_GLIBC if step <= minor]
        if not known:
            raise BadInput(f"pip packages need a glibc of 2.17 or newer, not {self.glibc}.")
        return known[-1]


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
) -> tuple[LockedWheel, ...]:
    """The wheels that meet `requirements` beside `provided`, sorted by name; those are never among them.

    `index_urls` replace those of the `UV_*` variables: the first is the default, the others are asked before it.
    `check_url` raises to forbid a direct URL. Raises `SolveFailed`, `FetchFailed`, `BadInput`, `PolicyRefused`.
    """
    if allow_sdists:
        raise PolicyRefused("Source distributions cannot be built yet: pip takes wheels only; unset allow_sdists.")
    target = WheelTarget(platform, python_version, glibc)
    lines = [_checked(requirement, check_url) for requirement in requirements]
    if conflict := _direct_conflict(lines, provided):
        raise SolveFailed(conflict)
    return _solve(lines, target, provided, cache_directory.resolve(), index_urls) if lines else ()


def _solve(
    lines: Sequence[str],
    target: WheelTarget,
    provided: Sequence[ProvidedDistribution],
    cache_directory: Path,
    index_urls: Sequence[str],
) -> tuple[LockedWheel, ...]:
    constraints = _write_provided(provided, cache_directory / "provided")
    arguments = [*_COMPILE, "--cache-dir", str(cache_directory / "uv"), *target.uv_options]
    with tempfile.TemporaryDirectory() as name:
        Path(name, "constraints.txt").write_text(constraints)
        done = run_uv(arguments, directory=Path(name), text="\n".join(lines) + "\n", index_urls=index_urls)
    if done.returncode:
        raise _explain(done.stderr, lines, provided, target)
    return _read_lock(done.stdout, provided, target)


def run_uv(
    arguments: Sequence[str], *, directory: Path, text: str = "", index_urls: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Run uv in `directory` with `text` as its input, without colours, configuration files or secrets of this process.

    Indexes go through the environment, since arguments are public. Raises `FetchFailed` after `UV_SECONDS`.
    """
    try:
        return subprocess.run(
            [find_uv_bin(), *arguments, *_OPTIONS, "--python", sys.executable],
            input=text,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            cwd=directory,
            env=_environment(index_urls),
            umask=0o022,
            timeout=UV_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise FetchFailed(f"pip: uv did not finish within {UV_SECONDS} seconds; try again later.") from None
    except FileNotFoundError as error:
        raise CondaStoreError(f"pip: the program uv is missing ({error}); install conda-store[server].") from error


def index_credentials(url: str, index_urls: Sequence[str] = ()) -> tuple[str, str] | None:
    """User name and password which an index URL (or the machine's `UV_*` variables) has for the origin of `url`."""
    known = index_urls or [word for name in _INDEX_SETTINGS for word in os.environ.get(name, "").split()]
    wanted = urlsplit(url)
    for text in known:
        parts = urlsplit(text.partition("=")[2] if re.match(r"[\w-]+=", text) else text)
        same = (parts.scheme, parts.hostname, parts.port) == (wanted.scheme, wanted.hostname, wanted.port)
        if same and parts.username:
            return unquote(parts.username), unquote(parts.password or "")
    return None


def _environment(index_urls: Sequence[str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name.upper() in _MACHINE_SETTINGS}
    kept["MACOSX_DEPLOYMENT_TARGET"] = ".".join(map(str, _MACOS))
    if index_urls:
        return kept | {"UV_DEFAULT_INDEX": index_urls[0], "UV_INDEX": " ".join(index_urls[1:])}
    secrets = re.compile(r"UV_INDEX_\w+_(USERNAME|PASSWORD)")
    return kept | {
        name: value for name, value in os.environ.items() if name in _INDEX_SETTINGS or secrets.fullmatch(name)
    }


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


def _write_provided(provided: Sequence[ProvidedDistribution], root: Path) -> str:
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
        raise SolveFailed(_no_wheel(str(package["name"]), target))
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


def without_credentials(text: str) -> str:
    """`text` with user names, passwords and queries taken out of its URLs."""
    return re.sub(r"(\w+://)[^/@\s]*@", r"\1", re.sub(r"(\w+://[^\s?]*)\?[^\s`)]*", r"\1", text))


_NETWORK = re.compile(
    r"Failed to (?:fetch|download)|Request failed|error sending request|dns error|timed out|connect error"
    r"|HTTP status|certificate|[Nn]etwork connectivity"
)
_UNKNOWN = re.compile(r"\b([\w.-]+) (?:was|were) not found in the (?:package registry|provided package locations)")
_NO_WHEEL = re.compile(r"\b([\w.-]+)[^\s]* (?:has|have) no (usable wheels|wheels with)")
_DEPENDS = re.compile(r"\b([\w.-]+)(\[[\w,.-]+\])?(?:[<>=!~]\S*)? depends on ([\w.-]+)((?:[<>=!~]=?[\w.*+!]+,?)+)")


def _explain(
    stderr: str, lines: Sequence[str], provided: Sequence[ProvidedDistribution], target: WheelTarget
) -> CondaStoreError:
    """What uv said, as an error of ours; the wording is that of uv 0.13, and anything unknown is passed on."""
    text = without_credentials(" ".join(re.sub(r"\x1b\[[0-9;]*m", "", stderr).split()))
    if _NETWORK.search(text) and "No solution found" not in text:
        url = re.search(r"https?://[^\s`)]+", text)
        where = f" ({url[0]})" if url else ""
        return FetchFailed(f"pip: the package index{where} cannot be reached: {text.rpartition('cause: ')[2]}")
    if conflict := _indirect_conflict(text, lines, provided):
        return SolveFailed(conflict)
    if unknown := _UNKNOWN.search(text):
        return SolveFailed(_no_such_package(unknown[1], provided))
    if missing := _NO_WHEEL.search(text):
        return SolveFailed(_no_wheel(missing[1], target, only_source=missing[2] == "usable wheels"))
    reason = re.sub(r"^error: No solution found when resolving dependencies(?: \(.*?\))?:? ?(?:cause: )?", "", text)
    return SolveFailed(f"pip: the requirements cannot be met together. {reason.partition(' hint: ')[0]}")


def _direct_conflict(lines: Iterable[str], provided: Sequence[ProvidedDistribution]) -> str | None:
    versions = {distribution.name: distribution.version for distribution in provided}
    for line in lines:
        requirement = Requirement(line)
        version = None if requirement.marker else versions.get(canonicalize_name(requirement.name))
        if version and (requirement.url or not requirement.specifier.contains(version, prereleases=True)):
            return _conflict(f"pip's requirement '{without_credentials(line)}'", requirement.name, "", version)
    return None


def _indirect_conflict(text: str, lines: Iterable[str], provided: Sequence[ProvidedDistribution]) -> str | None:
    asked = {canonicalize_name(Requirement(line).name): without_credentials(line) for line in lines}
    versions = {distribution.name: distribution.version for distribution in provided}
    for match in _DEPENDS.finditer(text):
        need, specifier = match[3], match[4].rstrip(",.")
        try:
            met = need not in versions or SpecifierSet(specifier).contains(versions[need], prereleases=True)
        except InvalidSpecifier:
            continue
        if not met:
            name = canonicalize_name(match[1])
            who = f"pip's requirement '{asked[name]}'" if name in asked else f"'{name}', which pip's section brings,"
            return _conflict(who, need, specifier, versions[need])
    return None


def _conflict(who: str, need: str, specifier: str, version: str) -> str:
    needs = f" needs {need}{specifier}" if specifier else f" asks for another {need}"
    return f"{who}{needs}, but conda package {need} {version} is in the environment: change one of them."


def _no_such_package(name: str, provided: Sequence[ProvidedDistribution]) -> str:
    near = difflib.get_close_matches(name, [distribution.name for distribution in provided], 1, 0.8)
    hint = f" Did you mean '{near[0]}', which conda brings?" if near else " Check its spelling."
    return f"pip: no package named '{name}' is on the package index.{hint}"


def _no_wheel(name: str, target: WheelTarget, *, only_source: bool = False) -> str:
    if only_source:
        return (
            f"pip: '{name}' has only a source distribution in the wanted version; choose a version with a wheel "
            "or take it from conda. An administrator can allow source distributions."
        )
    return (
        f"pip: '{name}' has no wheel for python {target.python_version} on {target.platform} in the wanted version; "
        "choose another version of it or of python, or take it from conda."
    )
