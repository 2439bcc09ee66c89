"""`conda-meta/<package>.json`: the record that conda keeps of an installed package, from the package's own metadata.

Format: conda's prefix record. A record names a URL. In an image that is the package URL (purl), which identifies a
package without a place, since an image must not depend on which mirror its packages came from.
"""

from __future__ import annotations

from typing import Any

from conda_store.packages.contents import Contents, PlacedFile

_INDEX_FIELDS = [
    "name",
    "version",
    "build",
    "build_number",
    "subdir",
    "depends",
    "constrains",
    "noarch",
    "license",
    "license_family",
    "platform",
    "arch",
    "timestamp",
    "track_features",
    "features",
    "python_site_packages_path",
]


def package_url(package: Contents) -> str:
    """`pkg:conda/numpy@2.1.0?build=py311_0&subdir=linux-64` (purl specification, type conda)."""
    index = package.index
    return f"pkg:conda/{package.name}@{package.version}?build={index.get('build')}&subdir={index.get('subdir')}"


def prefix_record(
    package: Contents, *, url: str | None = None, channel: str = "pkg:conda", directory: str = ""
) -> dict[str, Any]:
    """The record of `package`; `directory` is where it is unpacked, for those who can look there."""
    record: dict[str, Any] = {name: package.index[name] for name in _INDEX_FIELDS if name in package.index}
    url = url or package_url(package)
    return record | {
        "fn": url.rpartition("/")[2] if "://" in url else f"{package.stem}.conda",
        "url": url,
        "channel": channel,
        "sha256": package.key,
        "extracted_package_dir": directory,
        "requested_specs": [],
        "link": {"source": directory, "type": 1},
        "files": [file.target for file in package.files],
        "paths_data": {"paths_version": 1, "paths": [_path_row(file) for file in package.files]},
    }


def _path_row(file: PlacedFile) -> dict[str, Any]:
    row: dict[str, Any] = {"_path": file.target, "path_type": "hardlink", "size_in_bytes": file.size}
    if file.link_target is not None:
        row["path_type"] = "softlink"
    elif file.source is None:
        row["path_type"] = "unix_python_entry_point"
    if file.sha256:
        row["sha256"] = file.sha256
    if file.placeholder and file.source is not None:
        row |= {"prefix_placeholder": file.placeholder, "file_mode": file.file_mode}
    return row
