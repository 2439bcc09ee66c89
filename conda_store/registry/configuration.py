"""What an image says of itself: the settings of its containers, labels, annotations.

Formats: OCI image-spec 1.1, config.md and annotations.md. All of it depends on the specification, the base image and
the options, and on nothing else: no build, no time.
"""

from __future__ import annotations

from typing import Any

from conda_store.image_options import ImageOptions
from conda_store.pieces.layer import PREFIX
from conda_store.registry.base import BaseImage
from conda_store.registry.environment_layer import ENTRY_POINT, HOME, USER_ID
from conda_store.specification import Specification

# A constant, since an image made twice is the same image; some clients insist on a time.
CREATED = "1970-01-01T00:00:00Z"
OCI_WORDS = "org.opencontainers.image."
SPECIFICATION_DIGEST = "io.conda-store.specification.sha256"

_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def container_settings(specification: Specification, base: BaseImage, options: ImageOptions) -> dict[str, Any]:
    """The `config` object: the environment activated, a user without privileges, and what `options` say instead.

    The base's own entry point and command are for other programs; its user is no more than a default of its own.
    """
    settings: dict[str, Any] = {
        "Env": [f"{name}={value}" for name, value in _variables(specification, base, options).items()],
        "User": options.user or f"{USER_ID}:{USER_ID}",
        "WorkingDir": options.working_dir or _folder(base, options),
        "Labels": _labels(specification, base, options),
    }
    # An entry point of one's own runs activated; only an empty one leaves the activation out.
    if options.entrypoint != ():
        settings["Entrypoint"] = [ENTRY_POINT, *(options.entrypoint or ())]
    if options.command:
        settings["Cmd"] = list(options.command)
    return settings


def user_number(options: ImageOptions) -> int | None:
    """The user's number, to whom `HOME` belongs then; None for a name, whose home is the base image's business."""
    user = (options.user or str(USER_ID)).partition(":")[0]
    return int(user) if user.isdigit() else None


def described(specification: Specification, options: ImageOptions) -> dict[str, str]:
    """Annotations that hold for every platform."""
    said = {f"{OCI_WORDS}title": specification.name, f"{OCI_WORDS}created": CREATED}
    if specification.description:
        said[f"{OCI_WORDS}description"] = specification.description
    said |= {name: text for name, text in options.labels or () if name.startswith(OCI_WORDS)}
    return {**said, SPECIFICATION_DIGEST: specification.sha256}


def manifest_annotations(specification: Specification, base: BaseImage, options: ImageOptions) -> dict[str, str]:
    """Annotations of the image for one platform."""
    said = described(specification, options)
    if base.reference:
        said |= {f"{OCI_WORDS}base.name": base.reference, f"{OCI_WORDS}base.digest": base.digest}
    return said


def _labels(specification: Specification, base: BaseImage, options: ImageOptions) -> dict[str, str]:
    inherited = base.config.get("Labels") or {}
    # What the base says of itself in OCI's words (its version, its title) is not true of this image.
    kept = {name: text for name, text in inherited.items() if not name.startswith(OCI_WORDS)}
    return {**kept, **dict(options.labels or ()), **manifest_annotations(specification, base, options)}


def _variables(specification: Specification, base: BaseImage, options: ImageOptions) -> dict[str, str]:
    variables = dict(entry.partition("=")[::2] for entry in base.config.get("Env") or [])
    variables |= {"CONDA_PREFIX": PREFIX, "CONDA_DEFAULT_ENV": specification.name, "CONDA_SHLVL": "1"}
    if user_number(options) is not None:
        variables["HOME"] = HOME
    # The specification's own variables stand last: the activation sets them anyway.
    own = {**variables, **dict(options.environment or ())}
    own["PATH"] = _path(own.get("PATH") or _DEFAULT_PATH)
    return {**own, **dict(specification.variables)}


def _path(path: str) -> str:
    programs = f"{PREFIX}/bin"
    return path if programs in path.split(":") else f"{programs}:{path}"


def _folder(base: BaseImage, options: ImageOptions) -> str:
    return HOME if user_number(options) is not None else base.config.get("WorkingDir") or "/"
