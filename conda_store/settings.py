"""Settings: what a deployment, a namespace or an environment decides about its builds. Values, and how levels merge.

A level says nothing about a setting that it does not have. Where they are kept is `managers/settings.py`; which level
counts for a build, `builds/levels.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from conda_store.errors import BadInput, Problem
from conda_store.image_options import ImageOptions
from conda_store.models import ArtifactName
from conda_store.specification_grammar import platform_fault, shorten

Values = Mapping[str, Any]


class SettingInvalid(BadInput):
    """A setting that there is not, or a value that it cannot have."""

    code = "setting_invalid"


def _platform(text: str) -> str:
    if fault := platform_fault(text):
        raise ValueError(fault)
    return text


def _image(value: dict[str, Any]) -> dict[str, Any]:
    return ImageOptions.read(value).as_dict()


class Settings(BaseModel):
    """Every setting, and what it is where no level says anything."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    conda_solve_platforms: Annotated[
        list[Annotated[str, AfterValidator(_platform)]],
        Field(description="Platforms of specifications that name none; empty is that of the server."),
    ] = []
    build_artifacts: Annotated[list[ArtifactName], Field(description="Artifacts that every build makes at once.")] = []
    image: Annotated[
        dict[str, Any], AfterValidator(_image), Field(description="What images are told; levels merge key by key.")
    ] = {}


def checked(changes: Values) -> dict[str, Any]:
    """`changes` of one level, None where it shall say nothing any more.

    Raises `SettingInvalid` and `ImageOptionsInvalid`, with all problems.
    """
    unknown = sorted(set(changes) - set(Settings.model_fields))
    if unknown:
        listed = ", ".join(f"'{shorten(name)}'" for name in unknown)
        known = ", ".join(Settings.model_fields)
        raise SettingInvalid(f"Invalid setting keys {{{listed}}}; there are {known}.")
    values = {name: value for name, value in changes.items() if value is not None}
    try:
        valid = Settings.model_validate(values).model_dump(mode="json", include=set(values))
    except ValidationError as error:
        raise SettingInvalid("The settings are not as they should be.", _problems(error)) from None
    return {name: valid.get(name) for name in changes}


def merged(levels: Iterable[Values]) -> dict[str, Any]:
    """What counts: of each setting what the last level says that has it; of `image`, key by key."""
    found = Settings().model_dump(mode="json")
    for level in levels:
        known = {name: value for name, value in level.items() if name in Settings.model_fields}
        if "image" in known:
            known["image"] = ImageOptions.read(known["image"]).over(ImageOptions.read(found["image"])).as_dict()
        found |= known
    return found


def _problems(error: ValidationError) -> list[Problem]:
    return [
        Problem(one["msg"].removeprefix("Value error, "), path=".".join(map(str, one["loc"])))
        for one in error.errors(include_url=False, include_context=False, include_input=False)
    ]
