"""Settings that forbid, add and bound. Values; what they do is `packages/policy.py`.
Which of them a level may loosen is said in `builds/policies.py`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from conda_store.models import Text
from conda_store.specification_grammar import platform_fault

#: Counted for namespaces as a whole, so an environment cannot have one of its own.
QUOTAS = frozenset({"quota_bytes", "quota_environments", "quota_running_builds"})

Quota = Annotated[int, Field(ge=0, le=2**62)]


def _platform(text: str) -> str:
    if fault := platform_fault(text):
        raise ValueError(fault)
    return text


Platform = Annotated[str, AfterValidator(_platform)]


class PipPolicy(BaseModel):
    """What pip sections may say; `direct_urls` are prefixes of URLs, `index_urls` package indexes.

    Two rules cannot be changed yet, and say so.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    allowed: bool = True
    direct_urls: list[Text] = []
    index_urls: Annotated[list[Text], Field(min_length=1)] = []
    wheels_only: Literal[True] = True
    options: Literal[False] = False


def _pip_policy(value: dict[str, Any]) -> dict[str, Any]:
    try:
        return PipPolicy.model_validate(value).model_dump(mode="json", exclude_unset=True)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_url=False)]
        raise ValueError("; ".join(faults)) from None


class PolicySettings(BaseModel):
    """The part of all settings that is a policy."""

    conda_denied_packages: Annotated[
        list[Text], Field(description="Conda packages that no environment may have: 'name' or 'name <3', with '*'.")
    ] = []
    pypi_denied_packages: Annotated[
        list[Text], Field(description="PyPI packages that no environment may have: 'name' or 'name<3'.")
    ] = []
    denied_licenses: Annotated[
        list[Text], Field(description="SPDX licences that no conda package may be under, with '*': 'AGPL-3.0-*'.")
    ] = []
    allowed_platforms: Annotated[
        list[Platform], Field(description="Platforms that may be solved for; empty is any.")
    ] = []
    virtual_packages: Annotated[
        dict[Platform, dict[Text, Text]],
        Field(description="What machines of a platform have: {'linux-64': {'__cuda': '12.4'}}; '' is not having it."),
    ] = {}
    pip_policy: Annotated[
        dict[str, Any], AfterValidator(_pip_policy), Field(description="What pip sections may say.")
    ] = {}
    quota_bytes: Annotated[Quota, Field(description="Bytes of all builds of a namespace; 0 is any number.")] = 0
    quota_environments: Annotated[Quota, Field(description="Environments of a namespace; 0 is any number.")] = 0
    quota_running_builds: Annotated[
        Quota, Field(description="Builds of a namespace that run at once, others wait; 0 is any number.")
    ] = 0
