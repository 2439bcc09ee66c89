"""The wheel store: every wheel downloaded, inspected and laid out once, as files that have a place in a prefix.

    <root>/ab/<sha256 of wheel>-<layout>/files/…        at their place in a prefix; without write permission
    <root>/ab/<sha256 of wheel>-<layout>/summary.json   name, version, paths, size
    <root>/ab/<sha256 of wheel>-<layout>/files.json     mode, size, digest of each file

uv lays a wheel out alone, for the python that runs here; then everything that tells of this machine, this day
or uv is taken out, so that equal wheels give equal bytes wherever and whenever. What may be in a wheel is decided
before uv sees it. Format: PyPA "Binary distribution format" and "Recording installed projects".
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
import posixpath
import re
import stat
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urljoin, urlsplit

import httpx
from packaging.metadata import parse_email
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from conda_store.errors import DigestMismatch, FetchFailed, PackageRefused, StorageFull
from conda_store.packages.archives import UnpackLimits
from conda_store.packages.check import check_path
from conda_store.packages.contents import PLACEHOLDER, Contents, PlacedFile, Python, is_module
from conda_store.packages.locked import LockedWheel
from conda_store.packages.pip import WheelTarget, index_credentials, run_uv, without_credentials
from conda_store.storage.scratch import exclusive, scratch_directory, sweep

FORMAT_VERSION = 1
# 1980-01-01 00:00 UTC, the oldest time that a zip can hold: zip times know no time zone, and nobody needs them.
MTIME = 315_532_800
PARALLEL_WHEELS = 4
MAX_REDIRECTS = 10
# A lock may come from elsewhere: whether its glibc suits the machine is not decided here.
_ANY_GLIBC = "2.40"
_INSTALL = (
    *("pip", "install", "--offline", "--no-index", "--no-deps", "--link-mode", "hardlink", "--quiet"),
    *("--cache-dir", "cache", "--prefix", "files"),
)
_UV_FILES = ("direct_url.json", "uv_cache.json", "REQUESTED")


class WheelStore:
    """Laid-out wheels below `root`; safe for many threads and processes at once.

    `check_url` is called with every URL, redirects included, before it is requested, and raises to forbid it.
    `max_wheel_bytes` bounds one download, `limits` what it unpacks to. Credentials for a host come from
    `index_urls` or, without these, from the machine's `UV_*` variables.
    """

    def __init__(
        self,
        root: Path,
        *,
        check_url: Callable[[str], object] | None = None,
        limits: UnpackLimits | None = None,
        max_wheel_bytes: int = 8 << 30,
        index_urls: Sequence[str] = (),
    ) -> None:
        self.root = root.absolute()
        self.scratch = self.root / "tmp"
        self.check_url = check_url
        self.limits = limits or UnpackLimits()
        self.max_wheel_bytes = max_wheel_bytes
        self.index_urls = tuple(index_urls)
        sweep(self.scratch)

    def directory(self, wheel: LockedWheel, python: Python) -> Path:
        """Where `wheel` stands, laid out for `python`."""
        layout = f"{FORMAT_VERSION}\n{python.short_version}\n{python.executable}\n{python.site_packages}"
        tag = hashlib.sha256(layout.encode()).hexdigest()[:12]
        return self.root / wheel.sha256[:2] / f"{wheel.sha256}-{tag}"

    def missing(self, wheels: Iterable[LockedWheel], python: Python) -> list[LockedWheel]:
        """Those of `wheels` that are not yet here."""
        return [wheel for wheel in wheels if not self.directory(wheel, python).exists()]

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
        wanted = [_checked(wheel) for wheel in {wheel.sha256: wheel for wheel in wheels}.values()]
        target = WheelTarget(platform, python.version, _ANY_GLIBC)
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
            load=lambda: _load(directory),
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
                if final.exists():
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
        _check_tags(wheel, target)
        archive = scratch / wheel.file_name
        self._fetch(wheel, archive)
        plan = inspect_wheel(archive, wheel, self.limits)
        _run_install(wheel, target, archive, scratch)
        whole = scratch / "whole"
        _write_manifest(whole, wheel, arrange(scratch / "files", whole / "files", plan, python, wheel))
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
                    with client.stream("GET", url, auth=index_credentials(url, self.index_urls)) as response:
                        if not response.has_redirect_location:
                            response.raise_for_status()
                            yield from response.iter_raw(1 << 20)
                            return
                        url = self._redirected(wheel, url, response.headers["location"])
        except httpx.HTTPStatusError as error:
            raise FetchFailed(f"{wheel}: {without_credentials(url)} answers {error.response.status_code}.") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise FetchFailed(f"{wheel}: {without_credentials(url)} cannot be fetched: {error}") from error
        raise FetchFailed(f"{wheel}: more than {MAX_REDIRECTS} redirects from {without_credentials(wheel.url)}.")

    def _redirected(self, wheel: LockedWheel, url: str, location: str) -> str:
        target = urljoin(url, location)
        allowed = {"https", "http"} if urlsplit(url).scheme == "http" else {"https"}
        if urlsplit(target).scheme not in allowed:
            raise FetchFailed(f"{wheel}: a redirect to {without_credentials(target)} is not followed.")
        if self.check_url:
            self.check_url(target)
        return target


@dataclass(frozen=True)
class WheelPlan:
    """What an inspected wheel will put where: its dist-info directory, its scripts for python, its data files."""

    dist_info: str
    python_scripts: frozenset[str] = field(repr=False)
    data: frozenset[str] = field(repr=False)


def inspect_wheel(archive: Path, wheel: LockedWheel, limits: UnpackLimits) -> WheelPlan:
    """Look at all of a wheel before anything is unpacked.

    Raises `PackageRefused` for what could write outside, grow without bounds, or be read differently by uv.
    """
    try:
        with archive.open("rb") as stream, zipfile.ZipFile(stream) as container:
            entries = container.infolist()
            _check_entries(entries, wheel)
            _check_sizes(entries, stream, archive.stat().st_size, wheel, limits)
            return _plan(container, [entry.filename for entry in entries], wheel)
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, LookupError, RuntimeError) as error:
        raise PackageRefused(f"{wheel}: the wheel cannot be read ({error}); it is damaged.") from error


def _check_entries(entries: Sequence[zipfile.ZipInfo], wheel: LockedWheel) -> None:
    files: set[str] = set()
    for entry in entries:
        name = entry.orig_filename
        check_path(name.removesuffix("/"), str(wheel))
        if "\\" in name or name in files:
            raise PackageRefused(f"{wheel}: the wheel holds {name!r} twice or with a backslash; it is damaged.")
        if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise PackageRefused(f"{wheel}: {name!r} in the wheel is a symlink or a device; wheels hold plain files.")
        if entry.flag_bits & 0x1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise PackageRefused(f"{wheel}: {name!r} in the wheel is encrypted or compressed in an unknown way.")
        if not entry.is_dir():
            files.add(name)
    folders = {name[:place] for name in files for place in range(len(name)) if name[place] == "/"}
    for name in sorted(files & folders):
        raise PackageRefused(f"{wheel}: the wheel holds {name!r} both as a file and as a directory; it is damaged.")


def _check_sizes(
    entries: Sequence[zipfile.ZipInfo], stream: IO[bytes], size: int, wheel: LockedWheel, limits: UnpackLimits
) -> None:
    allowed = limits.allowed(size)
    if len(entries) > limits.entries or sum(entry.file_size for entry in entries) > allowed:
        raise PackageRefused(
            f"{wheel}: the wheel of {size:,} bytes unpacks to more than {allowed:,} bytes or {limits.entries:,} files; "
            "it is refused as a decompression bomb."
        )
    for entry in entries:
        if _inflated_bytes(stream, entry) != entry.file_size:
            raise PackageRefused(f"{wheel}: {entry.filename!r} in the wheel has not the size that its directory says.")


def _inflated_bytes(stream: IO[bytes], entry: zipfile.ZipInfo) -> int:
    """Bytes that an entry really unpacks to, no further than past its claim: zipfile itself stops at the claim."""
    stream.seek(entry.header_offset)
    header = stream.read(30)
    name = stream.read(int.from_bytes(header[26:28], "little"))
    encoding = "utf-8" if entry.flag_bits & 0x800 else "cp437"
    if header[:4] != b"PK\3\4" or name.decode(encoding) != entry.orig_filename:
        raise zipfile.BadZipFile(f"the header of {entry.filename!r} differs from the directory")
    stream.seek(int.from_bytes(header[28:30], "little"), os.SEEK_CUR)
    if entry.compress_type == zipfile.ZIP_STORED:
        return entry.compress_size
    inflater = zlib.decompressobj(-15)
    left, total = entry.compress_size, 0
    while left > 0 and not inflater.eof and total <= entry.file_size:
        data = stream.read(min(left, 1 << 18))
        if not data:
            raise EOFError("it ends too early")
        left -= len(data)
        while data and total <= entry.file_size:
            total += len(inflater.decompress(data, 1 << 20))
            data = inflater.unconsumed_tail
    return total


def _plan(container: zipfile.ZipFile, names: Sequence[str], wheel: LockedWheel) -> WheelPlan:
    dist_info = _dist_info(names, wheel)
    metadata, _ = parse_email(container.read(f"{dist_info}/METADATA"))
    if not _same(metadata.get("name", ""), metadata.get("version", ""), wheel):
        raise PackageRefused(
            f"{wheel}: the wheel says that it is {metadata.get('name')}=={metadata.get('version')}; "
            "the lockfile or the index is wrong."
        )
    root = f"{dist_info.removesuffix('.dist-info')}.data/"
    scripts = {f"bin/{name}" for name in _script_names(container, names, dist_info, wheel)}
    for name in names:
        if name.startswith(f"{root}scripts/") and container.read(name)[:8] == b"#!python":
            scripts.add("bin/" + name.removeprefix(f"{root}scripts/"))
    data = frozenset(name.removeprefix(f"{root}data/") for name in names if name.startswith(f"{root}data/"))
    for path in data - {""}:
        check_path(path.removesuffix("/"), str(wheel))
    return WheelPlan(dist_info, frozenset(scripts), data)


def _dist_info(names: Sequence[str], wheel: LockedWheel) -> str:
    tops = {name.partition("/")[0] for name in names if "/" in name}
    special = [top for top in sorted(tops) if top.lower().endswith((".dist-info", ".data"))]
    found = [top for top in special if top.lower().endswith(".dist-info")]
    if len(found) != 1 or not all(_belongs(top, wheel) for top in special):
        raise PackageRefused(
            f"{wheel}: the wheel holds the metadata of another package: {', '.join(special) or 'none'}."
        )
    if not {f"{found[0]}/METADATA", f"{found[0]}/WHEEL"} <= set(names):
        raise PackageRefused(f"{wheel}: {found[0]} has no METADATA or no WHEEL; it is damaged.")
    return found[0]


def _script_names(
    container: zipfile.ZipFile, names: Sequence[str], dist_info: str, wheel: LockedWheel
) -> Iterable[str]:
    """Commands of `entry_points.txt`; keys of other groups may hold slashes, but nothing may lead upwards."""
    path = f"{dist_info}/entry_points.txt"
    text = container.read(path).decode() if path in names else ""
    group = ""
    for line in filter(None, map(str.strip, re.split(r"[\r\n]", text))):
        key = line.partition("=")[0].strip()
        if line.startswith("["):
            group = line.strip("[] \t")
        elif group in ("console_scripts", "gui_scripts") and not line.startswith(("#", ";")):
            if not re.fullmatch(r"[\w.+ -]*[\w+-][\w.+ -]*", key) or not line.isprintable():
                raise PackageRefused(f"{wheel}: the entry point {line!r} is not a command's name; it is refused.")
            yield key
        elif key.startswith("/") or ".." in key.split("/"):
            raise PackageRefused(f"{wheel}: the entry point {line!r} leads out of the prefix.")


def _belongs(folder: str, wheel: LockedWheel) -> bool:
    stem, _, suffix = folder.rpartition(".")
    name, dash, version = stem.rpartition("-")
    return suffix in ("dist-info", "data") and bool(dash) and _same(name, version, wheel)


def _same(name: str, version: str, wheel: LockedWheel) -> bool:
    try:
        return canonicalize_name(name) == wheel.name and Version(version.replace("_", "-")) == Version(wheel.version)
    except InvalidVersion:
        return False


def _checked(wheel: LockedWheel) -> LockedWheel:
    try:
        if not re.fullmatch(r"[A-Za-z0-9_.!+-]+", wheel.file_name):
            raise InvalidWheelFilename(wheel.file_name)
        name, version = parse_wheel_filename(wheel.file_name)[:2]
    except InvalidWheelFilename:
        raise PackageRefused(
            f"{wheel}: {wheel.file_name!r} is not a wheel's file name; only wheels are taken."
        ) from None
    if not _same(name, str(version), wheel) or not re.fullmatch(r"[0-9a-f]{64}", wheel.sha256):
        raise PackageRefused(
            f"{wheel}: the lock gives it the file {wheel.file_name!r} or a wrong sha256; lock it again."
        )
    return wheel


def _check_tags(wheel: LockedWheel, target: WheelTarget) -> None:
    if parse_wheel_filename(wheel.file_name)[3].isdisjoint(target.tags()):
        raise PackageRefused(
            f"{wheel}: {wheel.file_name} is not for python {target.python_version} on {target.platform}; "
            "lock the environment again."
        )


def _run_install(wheel: LockedWheel, target: WheelTarget, archive: Path, scratch: Path) -> None:
    done = run_uv([*_INSTALL, *target.uv_options, f"./{archive.name}"], directory=scratch)
    if done.returncode:
        reason = " ".join(done.stderr.replace(str(scratch), "").split())
        raise PackageRefused(f"{wheel}: uv cannot lay out the wheel: {without_credentials(reason)}")


def arrange(
    laid_out: Path, target: Path, plan: WheelPlan, python: Python, wheel: LockedWheel
) -> tuple[PlacedFile, ...]:
    """Move uv's files to where `python` looks for them and make them the same on every machine; sorted by target."""
    dist_info = f"{python.site_packages}/{plan.dist_info}"
    places = {
        place: path
        for path in _walk(laid_out)
        if (place := _place(path, plan, python)) and not _is_dropped(place, dist_info)
    }
    _move(laid_out, target, places, wheel)
    scripts = plan.python_scripts & places.keys()
    for script in scripts:
        _rewrite_shebang(target / script, python)
    (target / dist_info / "INSTALLER").write_text("conda-store\n")
    record = target / dist_info / "RECORD"
    names = sorted({*places, f"{dist_info}/INSTALLER", f"{dist_info}/RECORD"})
    files = {name: _placed(target, name, name in scripts) for name in names if name != f"{dist_info}/RECORD"}
    record.write_bytes(_record(files, f"{dist_info}/RECORD", python.site_packages))
    files[f"{dist_info}/RECORD"] = _placed(target, f"{dist_info}/RECORD", False)
    return tuple(files[name] for name in names)


def _walk(root: Path) -> Iterable[str]:
    for folder, _, names in os.walk(root):
        for name in names:
            yield (Path(folder) / name).relative_to(root).as_posix()


def _place(path: str, plan: WheelPlan, python: Python) -> str | None:
    if path == ".lock":
        return None
    running = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    if path in plan.data:
        return path
    path = re.sub(rf"^(local/)?lib(64)?/{running}t?/(site|dist)-packages/", f"{python.site_packages}/", path)
    return re.sub(rf"^(local/)?include/site/{running}t?/", f"include/site/python{python.short_version}/", path)


def _is_dropped(place: str, dist_info: str) -> bool:
    folder, _, name = place.rpartition("/")
    return "__pycache__" in place.split("/") or (folder == dist_info and name in _UV_FILES)


def _move(laid_out: Path, target: Path, places: Mapping[str, str], wheel: LockedWheel) -> None:
    for place, path in places.items():
        check_path(place, str(wheel))
        if not stat.S_ISREG((laid_out / path).lstat().st_mode):
            raise PackageRefused(f"{wheel}: {path!r} is not a plain file.")
        (target / place).parent.mkdir(parents=True, exist_ok=True)
        (laid_out / path).rename(target / place)


def _rewrite_shebang(script: Path, python: Python) -> None:
    """Put the placeholder where uv wrote this machine's python, on one line or (long paths) in three."""
    lines = script.read_bytes().split(b"\n")
    header = 3 if lines[:2][-1].startswith(b"'''exec'") else 1
    shebang = f"#!{PLACEHOLDER}/{python.executable}".encode()
    script.write_bytes(b"\n".join([shebang, *lines[header:]]))


def _placed(root: Path, name: str, is_script: bool) -> PlacedFile:
    """Give the file its final mode and time, and describe it."""
    path = root / name
    status = path.stat()
    mode = 0o755 if is_script or status.st_mode & 0o111 else 0o644
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    path.chmod(mode & 0o555)
    os.utime(path, (MTIME, MTIME))
    return _file(str(root), name, mode, status.st_size, sha256, is_script)


def _file(root: str, target: str, mode: int, size: int, sha256: str, is_script: bool) -> PlacedFile:
    return PlacedFile(
        target=target,
        source=f"{root}/{target}",
        mode=mode,
        mtime=MTIME,
        size=size,
        placeholder=PLACEHOLDER if is_script else None,
        file_mode="text" if is_script else None,
        sha256=sha256,
    )


def _load(directory: Path) -> Sequence[PlacedFile]:
    root = str(directory / "files")
    return [_file(root, *row) for row in json.loads((directory / "files.json").read_bytes())]


def _record(files: Mapping[str, PlacedFile], own: str, site_packages: str) -> bytes:
    """RECORD, sorted by path; a script's row has neither digest nor size, since both depend on the prefix."""
    rows = [(posixpath.relpath(own, site_packages), "", "")]
    for name, file in files.items():
        path = posixpath.relpath(name, site_packages)
        digest = base64.urlsafe_b64encode(bytes.fromhex(file.sha256 or "")).rstrip(b"=").decode()
        rows.append((path, "", "") if file.placeholder else (path, f"sha256={digest}", str(file.size)))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(sorted(rows))
    return text.getvalue().encode()


def _write_manifest(whole: Path, wheel: LockedWheel, files: Sequence[PlacedFile]) -> None:
    summary = {
        "name": wheel.name,
        "version": wheel.version,
        "paths": [file.target for file in files],
        "size": sum(file.size for file in files),
        "has_modules": any(is_module(file.target) for file in files),
    }
    rows = [[file.target, file.mode, file.size, file.sha256, file.placeholder is not None] for file in files]
    for name, document in (("summary.json", summary), ("files.json", rows)):
        (whole / name).write_text(json.dumps(document, separators=(",", ":")))
