"""What requests carry at the HTTP border, queries and bodies: one definition validates and documents."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AliasChoices, Field, RootModel, SecretStr

from conda_store.models import LARGEST_ID, Id, Model, Text

# Every row of a list of environments carries both.
_LARGEST = 64 * 1024


def _bounded(value: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(value)) > _LARGEST:
        raise ValueError(f"is longer than {_LARGEST} characters as JSON: keep large things elsewhere")
    return value


Description = Annotated[Text, Field(max_length=_LARGEST)]
Metadata = Annotated[dict[Text, Any], AfterValidator(_bounded)]


class Sorting(Model):
    """How a list is sorted; `order` is `asc` or `desc`."""

    sort_by: list[Text] = []
    order: Text | None = None

    @property
    def descending(self) -> bool:
        """Whether the largest comes first."""
        return (self.order or "").lower() == "desc"


class PageQuery(Sorting):
    """A page by number; `size` is capped by the server."""

    page: Id | None = None
    size: Annotated[int, Field(ge=0, le=LARGEST_ID)] | None = None


class CursorQuery(Sorting):
    """A page by cursor."""

    limit: Annotated[int, Field(ge=0, le=LARGEST_ID)] | None = None
    cursor: Text | None = None


class EnvironmentFilter(Model):
    """Filters of environments; those after `name` test the current build. `packages` must all be there."""

    search: Text | None = None
    namespace: Text | None = None
    name: Text | None = None
    status: Text | None = None
    artifact: Text | None = None
    packages: list[Text] = []


class EnvironmentQuery(PageQuery, EnvironmentFilter):
    """Environments by page; `jwt` is a token to whose view the caller's is narrowed."""

    jwt: Text | None = None


class OverviewQuery(Model):
    """What the page of environments shows; `search` also finds environments by a package in them."""

    search: Text | None = None
    namespace: Text | None = None
    status: Text | None = None
    sort: Literal["name", "newest", "largest"] = "name"
    page: Id | None = None


class EnvironmentCursorQuery(CursorQuery, EnvironmentFilter):
    """Environments by cursor."""


class BuildQuery(PageQuery):
    """Builds by page."""

    environment_id: Id | None = None
    namespace: Text | None = None
    name: Text | None = None
    status: Text | None = None
    artifact: Text | None = None
    packages: list[Text] = []


class PackageQuery(PageQuery):
    """Packages of a build by page; `search` is part of a name, or all of it with `exact=true`; so is `exact=<name>`."""

    search: Text | None = None
    exact: Text | None = None
    build: Text | None = None


class KnownPackageQuery(PackageQuery):
    """Packages of all builds by page; of equal `distinct_on` (name, version, channel) the newest. `channel` narrows."""

    channel: Text | None = None
    distinct_on: list[Text] = []


class KernelQuery(Model):
    """Which environments; `build` (may be repeated) names builds that count besides the current ones."""

    namespace: Text | None = None
    name: Text | None = None
    build: list[Id] = []


class SolveQuery(Model):
    """What to solve: MatchSpecs and pip requirements. `channels` is another name of `channel`."""

    channel: list[Text] = []
    channels: list[Text] = []
    conda: list[Text] = []
    pip: list[Text] = []
    platform: Text | None = None


class ArchiveQuery(Model):
    """`format` is `gz` or `zst`."""

    format: Literal["gz", "zst"] = "gz"


class NewSpecification(Model):
    """A specification or lockfile to build; `specification` is its text. `platforms` replace those that it names."""

    specification: Text
    namespace: Text | None = None
    is_lockfile: bool | None = None
    environment_name: Text | None = None
    environment_description: Description | None = None
    platforms: list[Text] | None = None


class EnvironmentChange(Model):
    """Another current build, or another description."""

    build_id: Id | None = None
    description: Description | None = None


class NamespaceChange(Model):
    """Other metadata, other role mappings (entity → roles); what is absent stays."""

    metadata: Metadata | None = None
    role_mappings: dict[Text, list[Text]] | None = None


class NamespaceMetadata(RootModel[Metadata]):
    """Metadata of a namespace, all of it."""


class NamespaceRoleQuery(Model):
    """Which other namespace a mapping is for."""

    other_namespace: Text


class NamespaceRoleChange(NamespaceRoleQuery):
    """A role for those who belong to another namespace."""

    role: Text


class NewToken(Model):
    """A token to make; what is absent is the caller's own, and the time is a day. `role_bindings`: pattern → roles."""

    name: Annotated[Text, Field(max_length=255)] = ""
    primary_namespace: Text | None = None
    expiration: Annotated[datetime | None, Field(validation_alias=AliasChoices("expiration", "exp"))] = None
    role_bindings: dict[Text, list[Text]] | None = None


class NewChannelCredential(Model):
    """What opens a private channel: `basic` with user and password, `bearer`, or `token` for conda's `/t/<token>/`."""

    channel: Text
    kind: Literal["basic", "bearer", "token"]
    user: Text = ""
    secret: SecretStr


class ForgottenChannelCredential(Model):
    """A channel whose credentials shall be no more."""

    channel: Text


class SettingQuery(Model):
    """`own` shows only what this level sets itself."""

    own: bool = False


class SettingChanges(RootModel[dict[str, Any]]):
    """Settings by name; null takes one back."""
