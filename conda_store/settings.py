"""Settings: what a deployment, a namespace or an environment decides about its builds. Values, and how levels merge.

A level says nothing about a setting that it does not have. Where they are kept is `managers/settings.py`; which level
counts for a build, `builds/levels.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from conda_store.errors import BadInput, Problem
from conda_store.image_options import ImageOptions
from conda_store.models import ArtifactName, Text
from conda_store.policy_settings import PolicySettings
from conda_store.specification_grammar import platform_fault, shorten

Values = Mapping[str, Any]
#: A year: more than anything here may take.
MOST_SECONDS = 366 * 24 * 3600
_IGNORED = "Accepted, without effect: files are shared by all prefixes, and belong to whoever builds."


class SettingInvalid(BadInput):
    """A setting that there is not, or a value that it cannot have."""

    code = "setting_invalid"

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> SettingInvalid:
        """With all problems, of which the message names the first."""
        listed = "; ".join(f"{problem.path}: {problem.message}" for problem in problems[:10])
        return cls(f"The settings are not as they should be: {listed}.", problems)


def _platform(text: str) -> str:
    if fault := platform_fault(text):
        raise ValueError(fault)
    return text


def _indexed_platform(text: str) -> str:
    return text if text == "noarch" else _platform(text)


def _mode(text: str) -> str:
    if not (text.isascii() and 0 < len(text) <= 4 and set(text) <= set("01234567")):
        raise ValueError("is no mode: write it in octal digits, such as '775'")
    return text


def _image(value: dict[str, Any]) -> dict[str, Any]:
    return ImageOptions.read(value).as_dict()


Name = Annotated[Text, Field(min_length=1, max_length=100)]
Number = Annotated[int, Field(ge=0, le=2**63 - 1)]
Mode = Annotated[str, AfterValidator(_mode)]


class DeploymentSettings(BaseModel):
    """What the whole deployment decides and no other level. Other servers of this API have the same names and types."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    default_namespace: Annotated[
        Name, Field(description="Where an environment goes whose author names no namespace and has none of their own.")
    ] = "default"
    filesystem_namespace: Annotated[Name, Field(description="Namespace of what lies in watched folders.")] = (
        "filesystem"
    )
    default_uid: Annotated[Number | None, Field(description=f"Owner of installed files. {_IGNORED}")] = None
    default_gid: Annotated[Number | None, Field(description=f"Group of installed files. {_IGNORED}")] = None
    default_permissions: Annotated[Mode | None, Field(description=f"Mode of installed files. {_IGNORED}")] = None
    storage_threshold: Annotated[
        Number, Field(description="Bytes that must be free on the disk of the store before another build is taken.")
    ] = 0
    conda_command: Annotated[
        Text, Field(description="Program that solves elsewhere. Accepted, without effect: there is none here.")
    ] = "rattler"
    conda_platforms: Annotated[
        list[Annotated[str, AfterValidator(_indexed_platform)]],
        Field(
            description="Platforms whose packages can be had. Accepted, without effect: an index is read when needed."
        ),
    ] = []
    conda_max_solve_time: Annotated[
        Annotated[int, Field(ge=0, le=MOST_SECONDS)] | Annotated[float, Field(ge=0, le=MOST_SECONDS)],
        Field(description="Seconds that a solve may take for one platform; 0 is without limit."),
    ] = 300
    conda_indexed_channels: Annotated[
        list[Text],
        Field(
            description="Channels whose packages can be had. Accepted, without effect: an index is read when needed."
        ),
    ] = []
    build_artifacts_kept_on_deletion: Annotated[
        list[ArtifactName], Field(description="Artifacts that stay when their build is deleted.")
    ] = ["LOGS", "LOCKFILE", "YAML"]


class Settings(PolicySettings, DeploymentSettings):
    """Every setting, and what it is where no level says anything."""

    conda_solve_platforms: Annotated[
        list[Annotated[str, AfterValidator(_platform)]],
        Field(description="Platforms of specifications that name none; empty is that of the server."),
    ] = []
    conda_channel_alias: Annotated[Text, Field(description="URL below which a channel given by its name lies.")] = (
        "https://conda.anaconda.org"
    )
    conda_default_channels: Annotated[
        list[Text], Field(description="Channels of specifications that name none, in order of priority.")
    ] = ["conda-forge"]
    conda_allowed_channels: Annotated[
        list[Text], Field(description="Channels that may be used; empty is every name below conda_channel_alias.")
    ] = []
    conda_default_packages: Annotated[
        list[Text], Field(description="Packages where no conda package is asked for.")
    ] = []
    conda_required_packages: Annotated[list[Text], Field(description="Conda packages that must be asked for.")] = []
    conda_included_packages: Annotated[list[Text], Field(description="Conda packages that are added if missing.")] = []
    pypi_default_packages: Annotated[list[Text], Field(description="Packages where none of PyPI is asked for.")] = []
    pypi_required_packages: Annotated[list[Text], Field(description="PyPI packages that must be asked for.")] = []
    pypi_included_packages: Annotated[list[Text], Field(description="PyPI packages that are added if missing.")] = []
    build_artifacts: Annotated[list[ArtifactName], Field(description="Artifacts that every build makes at once.")] = []
    image: Annotated[
        dict[str, Any], AfterValidator(_image), Field(description="What images are told; levels merge key by key.")
    ] = {}


def checked(changes: Values, *, deployment: bool = True) -> dict[str, Any]:
    """`changes` of one level, None where it shall say nothing any more. `deployment`: whether it is the whole one.

    Raises `SettingInvalid` and `ImageOptionsInvalid`, with all problems.
    """
    known = [name for name in Settings.model_fields if deployment or name not in DeploymentSettings.model_fields]
    unknown = sorted(set(changes) - set(known))
    if unknown:
        listed = ", ".join(f"'{shorten(name)}'" for name in unknown)
        where = "" if deployment else " on this level"
        raise SettingInvalid(f"Invalid setting keys {{{listed}}}; there are{where} {', '.join(known)}.")
    values = {name: value for name, value in changes.items() if value is not None}
    try:
        valid = Settings.model_validate(values).model_dump(mode="json", include=set(values))
    except ValidationError as error:
        raise SettingInvalid.of(_problems(error)) from None
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
