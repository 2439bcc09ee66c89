"""The policy of what is being submitted, and the rules that may be set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from conda_store.builds.levels import NO_LEVEL
from conda_store.builds.lockfile import is_lockfile
from conda_store.builds.policies import Policy, read_policy
from conda_store.builds.quotas import check_bytes, check_environments
from conda_store.builds.subject import JobSettings
from conda_store.db.orm import BuildRow, EnvironmentRow, SettingRow
from conda_store.db.queries import find_environment, find_namespace
from conda_store.errors import CondaStoreError, Problem
from conda_store.inputs import NewSpecification
from conda_store.packages.channel_urls import normal_url
from conda_store.packages.channels import ChannelPolicy
from conda_store.packages.denied import package_fault, requirement_fault
from conda_store.packages.matchspecs import matchspec_fault
from conda_store.packages.virtual import virtual_fault
from conda_store.policy_settings import QUOTAS
from conda_store.settings import SettingInvalid, Values
from conda_store.specification import read_draft

_FAULTS: dict[str, Callable[[str], str | None]] = {
    "conda_denied_packages": package_fault,
    "pypi_denied_packages": requirement_fault,
    **{f"conda_{kind}_packages": matchspec_fault for kind in ("default", "required", "included")},
    **{f"pypi_{kind}_packages": requirement_fault for kind in ("default", "required", "included")},
}


@dataclass(frozen=True)
class Policies:
    """Policies over the deployment's `options`; `base` has what no setting says of channels."""

    options: Values
    base: ChannelPolicy

    @classmethod
    def under(cls, jobs: JobSettings) -> Policies:
        """Those that workers keep to."""
        return cls(jobs.setting_options, jobs.policy)

    def of(self, session: Session, namespace: str, new: NewSpecification) -> Policy:
        """The policy of the environment that a submission is for."""
        row = find_namespace(session, namespace)
        environment = None
        if row is not None and (name := _name(session, row.id, new)):
            environment = find_environment(session, namespace, name)
        return read_policy(session, row, environment, self.options, self.base)

    def check_quotas(self, session: Session, environment: EnvironmentRow) -> None:
        """Raises `QuotaExceeded` for a build of `environment`, whose row is there already."""
        policy = read_policy(session, environment.namespace, None, self.options, self.base)
        if not policy.quotas:
            return
        check_bytes(session, environment.namespace, policy)
        is_new = session.scalar(select(BuildRow.id).where(BuildRow.environment_id == environment.id).limit(1)) is None
        if is_new:
            check_environments(session, environment.namespace, policy)


def check_rules(values: Values, *, environment: bool) -> None:
    """Raises `SettingInvalid` for rules that nothing could follow, and for quotas of an environment."""
    problems = list(_problems(values))
    if environment:
        problems += [
            Problem("is counted for a namespace as a whole: set it there", path=name) for name in QUOTAS & values.keys()
        ]
    if problems:
        raise SettingInvalid.of(problems)


def _problems(values: Values) -> Iterator[Problem]:
    for name, fault_of in _FAULTS.items():
        for number, text in enumerate(values.get(name) or ()):
            if fault := fault_of(text):
                yield Problem(fault, path=f"{name}.{number}")
    channels = [*(values.get("conda_default_channels") or ()), *(values.get("conda_allowed_channels") or ())]
    for text in channels:
        # Something that may stand in a name, a host and a port, for what a pattern leaves open.
        if fault := _channel_fault(text.replace("*", "1")):
            yield Problem(fault, path="channels")
    yield from _url_problems(values)
    for number, text in enumerate(_pip(values, "index_urls")):
        if fault := _index_fault(text):
            yield Problem(fault, path=f"pip_policy.index_urls.{number}")
    for platform, machines in (values.get("virtual_packages") or {}).items():
        for name, version in machines.items():
            if fault := virtual_fault(name, version):
                yield Problem(fault, path=f"virtual_packages.{platform}")


def _url_problems(values: Values) -> Iterator[Problem]:
    pip = {f"pip_policy.direct_urls.{number}": text for number, text in enumerate(_pip(values, "direct_urls"))}
    alias = values.get("conda_channel_alias")
    for path, text in {**({"conda_channel_alias": alias} if alias else {}), **pip}.items():
        try:
            normal_url(text)
        except CondaStoreError as error:
            yield Problem(error.message, path=path)


def _pip(values: Values, name: str) -> Sequence[str]:
    return (values.get("pip_policy") or {}).get(name) or ()


def _channel_fault(text: str) -> str | None:
    try:
        if text.strip() != "defaults":
            ChannelPolicy().channel_url(text)
    except CondaStoreError as error:
        return error.message
    return None


def _index_fault(text: str) -> str | None:
    try:
        normal = normal_url(text)
    except CondaStoreError as error:
        return error.message
    return None if normal.startswith(("https://", "http://")) else f"'{normal}' is no https or http URL"


def _name(session: Session, namespace_id: int, new: NewSpecification) -> str | None:
    """The name of the environment; looked for in the text only where an environment has settings of its own."""
    if new.environment_name:
        return new.environment_name
    own = select(SettingRow.name).where(SettingRow.namespace_id == namespace_id, SettingRow.environment_id != 0)
    own = own.where(SettingRow.name.not_in(NO_LEVEL))
    if session.scalar(own.limit(1)) is None or new.is_lockfile or is_lockfile(new.specification):
        return None
    try:
        return read_draft(new.specification).name
    except CondaStoreError:
        return None
