"""Whether the wheels of a lockfile that somebody sent are those of the package index.

A digest says what is fetched, not who made it: whoever writes a lockfile could name any wheel on any host, and the
build would fetch it. So the index is asked for the same versions, by uv, and must offer each wheel itself.
"""

from __future__ import annotations

import tempfile
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from packaging.version import Version

from conda_store.errors import CondaStoreError, PolicyRefused, SolveFailed
from conda_store.packages.index_gate import IndexGate
from conda_store.packages.locked import LockedWheel
from conda_store.packages.pip_failure import explain
from conda_store.packages.uv_process import run_uv, without_credentials
from conda_store.packages.wheel_inspection import checked_wheel
from conda_store.packages.wheel_target import ANY_GLIBC, WheelTarget

_LIST = (
    *("pip", "compile", "-", "--no-deps", "--format", "pylock.toml"),
    *("--only-binary", ":all:", "--no-header", "--quiet"),
)
_WAY_OUT = "Lock the environment again, or let an administrator allow the URL."

# Raises `PolicyRefused` for a URL that is not allowed by itself.
CheckUrl = Callable[[str], object]
# The origin and the sha256 of a wheel.
_Offer = tuple[str, str]


def check_scheme(url: str, check_url: CheckUrl | None = None, index_urls: Sequence[str] = ()) -> None:
    """Refuse, without any request, a wheel's URL which no index could vouch for: neither `https:` nor allowed, nor on
    the host of an index that is not `https:` itself."""
    if not _is_fit(url, index_urls) and not _is_allowed(url, check_url):
        raise PolicyRefused(f"The wheel at '{without_credentials(url)}' is not at an https URL. {_WAY_OUT}")


def check_on_index(
    wheels: Sequence[LockedWheel],
    *,
    platform: str,
    python_version: str,
    cache_directory: Path,
    check_url: CheckUrl | None = None,
    index_urls: Sequence[str] = (),
    gate: IndexGate | None = None,
) -> None:
    """Refuse wheels that the package index does not offer under their sha256 from the host of their URL.

    What `check_url` lets pass is not asked for (None lets nothing pass); `cache_directory`, `index_urls` and `gate`
    are as for `lock_wheels`. Raises `PolicyRefused` or `PackageRefused`, naming the wheel, and `FetchFailed`.
    """
    asked = [wheel for wheel in wheels if not _is_allowed(wheel.url, check_url)]
    for wheel in asked:
        if not _is_fit(wheel.url, index_urls):
            raise _refused(wheel, "is not at an https URL")
        checked_wheel(wheel)
    if asked:
        target = WheelTarget(platform, python_version, ANY_GLIBC)
        _Index(target, cache_directory.resolve(), tuple(index_urls), gate).check(asked)


class _Index:
    """The package index that uv is configured for, asked what it has for `target`."""

    def __init__(
        self, target: WheelTarget, cache_directory: Path, index_urls: tuple[str, ...], gate: IndexGate | None
    ) -> None:
        self.target, self.cache_directory, self.index_urls, self.gate = target, cache_directory, index_urls, gate

    def check(self, wheels: Sequence[LockedWheel]) -> None:
        """Raise for the first of `wheels` that the index does not offer."""
        try:
            offers = self._offers(wheels)
        except SolveFailed as error:
            if len(wheels) == 1:
                raise _refused(wheels[0], f"is not on the package index ({error.message.rstrip('.')})") from error
            # uv names one culprit in prose or none at all: halving finds it in a few more questions.
            middle = len(wheels) // 2
            self.check(wheels[:middle])
            self.check(wheels[middle:])
            return
        for wheel in wheels:
            if (_origin(wheel.url), wheel.sha256) not in offers:
                raise _refused(wheel, f"with sha256 {wheel.sha256} is not what the package index offers")

    def _offers(self, wheels: Sequence[LockedWheel]) -> set[_Offer]:
        # `===` and not `==`, which would let an index answer with 1.0+local for 1.0.
        lines = [f"{wheel.name}==={Version(wheel.version)}" for wheel in wheels]
        arguments = [*_LIST, "--cache-dir", str(self.cache_directory / "uv"), *self.target.uv_options]
        with tempfile.TemporaryDirectory() as name:
            text = "\n".join(lines) + "\n"
            done = run_uv(arguments, directory=Path(name), text=text, index_urls=self.index_urls, gate=self.gate)
        if done.returncode:
            raise explain(done.stderr, lines, (), self.target)
        return _read_offers(done.stdout)


def _read_offers(text: str) -> set[_Offer]:
    """Origin and sha256 of every wheel in a `pylock.toml` (PEP 751)."""
    try:
        packages = tomllib.loads(text).get("packages", [])
        files = [wheel for package in packages for wheel in package.get("wheels", ())]
        # Without credentials: uv keeps those of a private index, a lockfile has none.
        return {
            (_origin(without_credentials(file["url"])), file["hashes"].get("sha256", ""))
            for file in files
            if "url" in file
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CondaStoreError(
            f"pip: uv wrote a lock that cannot be read ({error!r}); is its version supported?"
        ) from error


def _is_fit(url: str, index_urls: Sequence[str]) -> bool:
    return urlsplit(url).scheme == "https" or _origin(url) in map(_origin, index_urls)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _is_allowed(url: str, check_url: CheckUrl | None) -> bool:
    if check_url is None:
        return False
    try:
        check_url(url)
    except PolicyRefused:
        return False
    return True


def _refused(wheel: LockedWheel, fault: str) -> PolicyRefused:
    return PolicyRefused(f"{wheel}: the wheel at '{without_credentials(wheel.url)}' {fault}. {_WAY_OUT}")
