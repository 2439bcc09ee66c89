"""The wheel store: every wheel downloaded, inspected and laid out once, as files that have a place in a prefix.

    <root>/ab/<sha256 of wheel>-<layout>/files/…        at their place in a prefix; without write permission
    <root>/ab/<sha256 of wheel>-<layout>/summary.json   name, version, URL, paths, size
    <root>/ab/<sha256 of wheel>-<layout>/files.json     mode, size, digest of each file

What may be in a wheel is decided in `wheel_inspection`, before uv sees it; where its files come to lie, in
`wheel_layout`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import httpx
from packaging.version import Version

from conda_store.errors import DigestMismatch, FetchFailed, PackageRefused, StorageFull
from conda_store.packages.archives import UnpackLimits
from conda_store.packages.asking import MAX_REDIRECTS, opener
from conda_store.packages.contents import Contents, Python
from conda_store.packages.credentials import Credentials
from conda_store.packages.locked import LockedWheel
from conda_store.packages.uv_process import index_credentials, without_credentials
from conda_store.packages.wheel_inspection import check_tags, checked_wheel, inspect_wheel
from conda_store.packages.wheel_layout import MTIME, arrange, load, run_install, write_manifest
from conda_store.packages.wheel_target import ANY_GLIBC, WheelTarget
from conda_store.storage.scratch import exclusive, scratch_directory, sweep
from conda_store.storage.uses import use

FORMAT_VERSION = 1
PARALLEL_WHEELS = 4


class WheelStore:
    """Laid-out wheels below `root`; safe for many threads and processes at once.

    `check_url` is called with every URL, redirects included, before it is requested, and raises to forbid it.
    `max_wheel_bytes` bounds one download, `limits` what it unpacks to. Credentials for a host come from
    `credentials`, else from `index_urls` or, without these, from the machine's `UV_*` variables.
    """

    def __init__(
        self,
        root: Path,
        *,
        check_url: Callable[[str], object] | None = None,
        limits: UnpackLimits | None = None,
        max_wheel_bytes: int = 8 << 30,
        index_urls: Sequence[str] = (),
        credentials: Callable[[], Credentials] = Credentials,
    ) -> None:
        self.root = root.absolute()
        self.scratch = self.root / "tmp"
        self.check_url = check_url
        self.limits = limits or UnpackLimits()
        self.max_wheel_bytes = max_wheel_bytes
        self.index_urls, self.credentials = tuple(index_urls), credentials
        sweep(self.scratch)

    def directory(self, wheel: LockedWheel, python: Python) -> Path:
        """Where `wheel` stands, laid out for `python`."""
        layout = f"{FORMAT_VERSION}\n{python.short_version}\n{python.executable}\n{python.site_packages}"
        tag = hashlib.sha256(layout.encode()).hexdigest()[:12]
        return self.root / wheel.sha256[:2] / f"{wheel.sha256}-{tag}"

    def missing(self, wheels: Iterable[LockedWheel], python: Python) -> list[LockedWheel]:
        """Those of `wheels` that are not yet here."""
        return [wheel for wheel in wheels if not use(self.root, self.directory(wheel, python))]

    def unverified(self, wheels: Iterable[LockedWheel], python: Python) -> list[LockedWheel]:
        """Those of `wheels` that did not come to this store from the very URL that they name now."""
        return [wheel for wheel in wheels if self._origin(wheel, python) != wheel.url]

    def _origin(self, wheel: LockedWheel, python: Python) -> str | None:
        try:
            summary = json.loads((self.directory(wheel, python) / "summary.json").read_bytes())
        except FileNotFoundError:
            return None
        return str(summary.get("url"))

    def ensure(
        self,
        wheels: Iterable[LockedWheel],
        python: Python,
        platform: str,
        *,
        progress: Callable[[LockedWheel], None] | None = None,
    ) -> dict[str, Contents]:
        """Fetch and lay out what is missing; all of `wheels` by their sha256. `progress` hears of each that was made.

        Raises `FetchFailed`, `DigestMismatch`, `PackageRefused` and `StorageFull`, each naming the wheel.
        """
        wanted = [checked_wheel(wheel) for wheel in {wheel.sha256: wheel for wheel in wheels}.values()]
        target = WheelTarget(platform, python.version, ANY_GLIBC)
        with ThreadPoolExecutor(PARALLEL_WHEELS) as pool:
            missing = self.missing(wanted, python)
            futures = [pool.submit(self._make, wheel, python, target, progress) for wheel in missing]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return {wheel.sha256: self.contents(wheel, python) for wheel in wanted}

    def contents(self, wheel: LockedWheel, python: Python) -> Contents:
        """The wheel, already laid out for `python`, as files in a prefix."""
        directory = self.directory(wheel, python)
        summary = json.loads((directory / "summary.json").read_bytes())
        if (summary["name"], Version(summary["version"])) != (wheel.name, Version(wheel.version)):
            raise PackageRefused(
                f"{wheel}: sha256 {wheel.sha256} is {summary['name']}=={summary['version']}; the lockfile is wrong."
            )
        return Contents(
            key=wheel.sha256,
            name=wheel.name,
            version=wheel.version,
            kind="wheel",
            directory=directory / "files",
            paths=tuple(summary["paths"]),
            load=lambda: load(directory),
            size=summary["size"],
            has_modules=summary["has_modules"],
            timestamp=MTIME,
        )

    def _make(
        self,
        wheel: LockedWheel,
        python: Python,
        target: WheelTarget,
        progress: Callable[[LockedWheel], None] | None,
    ) -> None:
        final = self.directory(wheel, python)
        try:
            with exclusive(self.root / "locks" / f"{wheel.sha256[:3]}.lock"):
                if use(self.root, final):
                    return
                with scratch_directory(self.scratch) as scratch:
                    whole = self._lay_out(wheel, python, target, scratch)
                    final.parent.mkdir(parents=True, exist_ok=True)
                    whole.rename(final)
        except OSError as error:
            raise StorageFull(f"{wheel}: the wheel store {self.root} cannot be written: {error}") from error
        if progress:
            progress(wheel)

    def _lay_out(self, wheel: LockedWheel, python: Python, target: WheelTarget, scratch: Path) -> Path:
        check_tags(wheel, target)
        archive = scratch / wheel.file_name
        self._fetch(wheel, archive)
        plan = inspect_wheel(archive, wheel, self.limits)
        run_install(wheel, target, archive, scratch)
        whole = scratch / "whole"
        write_manifest(whole, wheel, arrange(scratch / "files", whole / "files", plan, python, wheel))
        return whole

    def _fetch(self, wheel: LockedWheel, target: Path) -> None:
        """Download or copy the wheel's bytes, and check their number and digest."""
        digest = hashlib.sha256()
        received = 0
        with target.open("wb") as stream:
            for chunk in self._chunks(wheel):
                received += len(chunk)
                if received > self.max_wheel_bytes:
                    raise PackageRefused(f"{wheel}: the wheel is larger than {self.max_wheel_bytes:,} bytes.")
                digest.update(chunk)
                stream.write(chunk)
        if digest.hexdigest() != wheel.sha256:
            raise DigestMismatch(
                f"{wheel}: the index sent {received:,} bytes with sha256 {digest.hexdigest()}, the lock asks for "
                f"{wheel.sha256}. The wheel was replaced or damaged on the way; lock the environment again."
            )

    def _chunks(self, wheel: LockedWheel) -> Iterable[bytes]:
        if self.check_url:
            self.check_url(wheel.url)
        if urlsplit(wheel.url).scheme != "file":
            yield from self._download(wheel)
            return
        try:
            source = Path(unquote(urlsplit(wheel.url).path)).open("rb")  # noqa: SIM115
        except OSError as error:
            raise FetchFailed(f"{wheel}: {without_credentials(wheel.url)} cannot be read: {error.strerror}.") from error
        with source:
            yield from iter(lambda: source.read(1 << 20), b"")

    def _download(self, wheel: LockedWheel) -> Iterable[bytes]:
        url = wheel.url
        try:
            with httpx.Client(timeout=60, headers={"Accept-Encoding": "identity"}) as client:
                for _ in range(MAX_REDIRECTS):
                    found = opener(self.credentials(), url)
                    auth = None if found else index_credentials(url, self.index_urls)
                    asked, headers = (found.opened(url), found.headers) if found else (url, {})
                    with client.stream("GET", asked, headers=headers, auth=auth) as response:
                        if not response.has_redirect_location:
                            response.raise_for_status()
                            yield from response.iter_raw(1 << 20)
                            return
                        target = urljoin(asked, response.headers["location"])
                    url = self._redirected(wheel, url, found.closed(target) if found else target)
        except httpx.HTTPStatusError as error:
            raise FetchFailed(f"{wheel}: {without_credentials(url)} answers {error.response.status_code}.") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise FetchFailed(f"{wheel}: {without_credentials(url)} cannot be fetched: {error}") from error
        raise FetchFailed(f"{wheel}: more than {MAX_REDIRECTS} redirects from {without_credentials(wheel.url)}.")

    def _redirected(self, wheel: LockedWheel, url: str, target: str) -> str:
        allowed = {"https", "http"} if urlsplit(url).scheme == "http" else {"https"}
        if urlsplit(target).scheme not in allowed:
            raise FetchFailed(f"{wheel}: a redirect to {without_credentials(target)} is not followed.")
        if self.check_url:
            # A store behind the index signs its URLs with a query.
            self.check_url(target.partition("?")[0])
        return target
