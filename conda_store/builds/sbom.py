"""The software bill of materials of a lock: every package with version, licence, digests and package URL.

Format: SPDX 2.3, JSON (https://spdx.github.io/spdx-spec/v2.3/); package URLs as in the purl specification, types conda
and pypi. It is a function of lock and packages: no time, no build, no channel's location.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from license_expression import ExpressionError, ExpressionParseError, get_spdx_licensing
from packageurl import PackageURL
from packaging.metadata import parse_email

from conda_store.packages.contents import Contents
from conda_store.packages.locked import CondaPackage, Lock, LockedWheel
from conda_store.specification import Specification

MEDIA_TYPE = "application/spdx+json"
CREATED = "1970-01-01T00:00:00Z"
_NOTHING = "NOASSERTION"
_ROOT = "SPDXRef-environment"

_Json = dict[str, Any]


class Licences:
    """Declared licences as SPDX expressions; what is none is kept as it stands, under a name of its own."""

    def __init__(self) -> None:
        self._licensing = get_spdx_licensing()  # type: ignore[no-untyped-call]
        self._others: dict[str, str] = {}

    def expression(self, declared: str | None) -> str:
        """`MIT OR Apache-2.0`, `LicenseRef-…`, or `NOASSERTION` where a package declares nothing."""
        text = (declared or "").strip()
        if not text:
            return _NOTHING
        try:
            return str(self._licensing.parse(text, validate=True, strict=True))
        except (ExpressionError, ExpressionParseError):
            reference = f"LicenseRef-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
            self._others[reference] = text
            return reference

    @property
    def others(self) -> list[_Json]:
        """`hasExtractedLicensingInfos`."""
        return [
            {"licenseId": reference, "extractedText": text, "name": text.splitlines()[0][:200]}
            for reference, text in sorted(self._others.items())
        ]


def declared_licence(package: Contents) -> str | None:
    """The licence that a package names in its own metadata: conda's index, or a wheel's core metadata."""
    if package.kind == "conda":
        found = package.index.get("license")
        return found if isinstance(found, str) else None
    for file in package.files:
        if file.target.endswith(".dist-info/METADATA") and file.source is not None:
            metadata, _ = parse_email(Path(file.source).read_bytes())
            return metadata.get("license_expression") or metadata.get("license")
    return None


def sbom_json(specification: Specification, lock: Lock, declared: Mapping[str, str | None]) -> bytes:
    """The document for all platforms of a lock; `declared` maps a package's sha256 to the licence that it names."""
    licences = Licences()
    conda = sorted({package for one in lock for package in one.conda})
    wheels = sorted({wheel for one in lock for wheel in one.wheels})
    packages = [
        *(_conda_package(package, licences.expression(declared.get(package.sha256))) for package in conda),
        *(_wheel(wheel, licences.expression(declared.get(wheel.sha256))) for wheel in wheels),
    ]
    identity = hashlib.sha256(json.dumps([specification.sha256, packages], sort_keys=True).encode()).hexdigest()
    root = _package(_ROOT, specification.name, specification.sha256, _NOTHING)
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": specification.name,
        "documentNamespace": f"urn:conda-store:sbom:{identity}",
        "creationInfo": {"created": CREATED, "creators": ["Tool: conda-store"]},
        "packages": [root, *packages],
        "relationships": _relationships(package["SPDXID"] for package in packages),
    }
    if licences.others:
        document["hasExtractedLicensingInfos"] = licences.others
    return json.dumps(document, indent=1, sort_keys=True).encode()


def _relationships(members: Iterable[str]) -> list[_Json]:
    described = ("SPDXRef-DOCUMENT", "DESCRIBES", _ROOT)
    rows = [described, *((_ROOT, "CONTAINS", member) for member in members)]
    return [{"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other} for one, kind, other in rows]


def _conda_package(package: CondaPackage, licence: str) -> _Json:
    place = {"build": package.build, "subdir": package.subdir}
    url = PackageURL("conda", None, package.name, package.version, place).to_string()
    checksums = [("SHA256", package.sha256), *([("MD5", package.md5)] if package.md5 else [])]
    return _package(f"SPDXRef-conda-{package.sha256}", package.name, package.version, licence, url, checksums)


def _wheel(wheel: LockedWheel, licence: str) -> _Json:
    url = PackageURL("pypi", None, wheel.name, wheel.version, {"file_name": wheel.file_name}).to_string()
    checksums = [("SHA256", wheel.sha256)]
    return _package(f"SPDXRef-pypi-{wheel.sha256}", wheel.name, wheel.version, licence, url, checksums)


def _package(
    identifier: str,
    name: str,
    version: str,
    licence: str,
    url: str | None = None,
    checksums: Iterable[tuple[str, str]] = (),
) -> _Json:
    package: _Json = {
        "SPDXID": identifier,
        "name": name,
        "versionInfo": version,
        "downloadLocation": _NOTHING,
        "filesAnalyzed": False,
        "licenseConcluded": _NOTHING,
        "licenseDeclared": licence,
        "copyrightText": _NOTHING,
    }
    if url:
        reference = {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": url}
        package["externalRefs"] = [reference]
        package["checksums"] = [{"algorithm": name, "checksumValue": value} for name, value in checksums]
    return package
