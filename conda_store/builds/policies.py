"""The policy of an environment, out of what deployment, namespace and environment set.

Whoever administers a namespace sets its settings, so a lower level can only narrow what the levels above leave: all
their restrictions hold at once, and a refusal names the level. What an administrator of everything (`*/*`) sets on a
lower level replaces what stands above it. What is only added (default and included packages) is that of the nearest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from conda_store.builds.levels import EVERYWHERE, levels_of, trusted_of
from conda_store.db.orm import EnvironmentRow, NamespaceRow
from conda_store.packages.channels import ChannelPolicy
from conda_store.packages.policy import Choice, PackagePolicy, Rule
from conda_store.settings import Values, merged

_CHANNELS = ("conda_channel_alias", "conda_default_channels", "conda_allowed_channels", "pip_policy")


class Level(NamedTuple):
    """What one level sets, and which of it an administrator of everything has set."""

    name: str
    values: Values
    trusted: frozenset[str] = frozenset()


class Quota(NamedTuple):
    """The most that a namespace may have of something, and who says so."""

    level: str
    most: int


@dataclass(frozen=True)
class Policy:
    """All that holds for one environment; `quotas` by the setting's name."""

    channels: ChannelPolicy
    packages: PackagePolicy = field(default_factory=PackagePolicy)
    quotas: Mapping[str, Quota] = field(default_factory=dict)


def policy_of(levels: Sequence[Level], base: ChannelPolicy) -> Policy:
    """The policy that levels make, the deployment first; `base` has what no setting says of channels."""
    found = _Restrictions(levels)
    nearest = merged(level.values for level in levels)
    packages = PackagePolicy(
        denied=found.rules("conda_denied_packages"),
        denied_pip=found.rules("pypi_denied_packages"),
        denied_licenses=found.rules("denied_licenses"),
        required=found.rules("conda_required_packages"),
        required_pip=found.rules("pypi_required_packages"),
        platforms=tuple(Choice(level, tuple(names)) for level, names in found.of("allowed_platforms")),
        no_pip=tuple(level for level, rule in found.of("pip_policy") if not rule.get("allowed", True)),
        default=tuple(nearest["conda_default_packages"]),
        default_pip=tuple(nearest["pypi_default_packages"]),
        included=tuple(nearest["conda_included_packages"]),
        included_pip=tuple(nearest["pypi_included_packages"]),
        virtual=nearest["virtual_packages"],
    )
    quotas = {name: quota for name in _QUOTAS if (quota := found.least(name))}
    return Policy(_channels(levels, base), packages, quotas)


_QUOTAS = ("quota_bytes", "quota_environments", "quota_running_builds")


class _Restrictions:
    """By setting, what each level says that counts."""

    def __init__(self, levels: Iterable[Level]) -> None:
        self._found: dict[str, list[tuple[str, Any]]] = {}
        for level in levels:
            for name, value in level.values.items():
                before = [] if name in level.trusted else self._found.get(name, [])
                self._found[name] = [*before, (level.name, value)] if value else before

    def of(self, name: str) -> list[tuple[str, Any]]:
        return self._found.get(name, [])

    def rules(self, name: str) -> tuple[Rule, ...]:
        return tuple(Rule(level, text) for level, texts in self.of(name) for text in texts)

    def least(self, name: str) -> Quota | None:
        return min((Quota(level, most) for level, most in self.of(name)), key=lambda one: one.most, default=None)


def _channels(levels: Sequence[Level], base: ChannelPolicy) -> ChannelPolicy:
    """What an administrator of everything has set makes one policy; each level that narrows it, one within."""
    trusted: dict[str, Any] = {}
    counting: dict[str, Any] = {}
    narrowing: list[tuple[Level, frozenset[str], dict[str, Any]]] = []
    for number, level in enumerate(levels):
        said = frozenset(level.values) & frozenset(_CHANNELS)
        free = said if number == 0 else said & level.trusted
        _add(trusted, level.values, free)
        _add(counting, level.values, said)
        if free:
            base = replace(base, level=level.name)
            narrowing = [one for one in narrowing if not free & one[1]]
        if said - free:
            narrowing.append((level, said - free, dict(counting)))
    found = _with(base, trusted)
    for level, _, values in narrowing:
        found = replace(_with(base, values), level=level.name, within=found)
    return found


def _add(found: dict[str, Any], values: Values, names: Iterable[str]) -> None:
    for name in names:
        found[name] = {**found.get(name, {}), **values[name]} if name == "pip_policy" else values[name]


def _with(base: ChannelPolicy, values: Mapping[str, Any]) -> ChannelPolicy:
    pip = values.get("pip_policy", {})
    return replace(
        base,
        alias=values.get("conda_channel_alias", base.alias),
        default_channels=tuple(values.get("conda_default_channels", base.default_channels)),
        allowed_channels=tuple(values.get("conda_allowed_channels", base.allowed_channels)),
        allowed_pip_urls=tuple(pip.get("direct_urls", base.allowed_pip_urls)),
        index_urls=tuple(pip.get("index_urls", base.index_urls)),
    )


def read_policy(
    session: Session,
    namespace: NamespaceRow | None,
    environment: EnvironmentRow | None,
    options: Values,
    base: ChannelPolicy,
) -> Policy:
    """The policy of an environment, or of a new one in a namespace, or in a new namespace, over the `options`."""
    ids = (namespace.id if namespace else EVERYWHERE, environment.id if environment else EVERYWHERE)
    found = levels_of(session, *ids)
    levels = [Level("the deployment", {**options, **found[0]})]
    if namespace is not None:
        levels.append(Level(f"the namespace '{namespace.name}'", found[1], trusted_of(session, ids[0])))
    if namespace is not None and environment is not None:
        name = f"the environment '{namespace.name}/{environment.name}'"
        levels.append(Level(name, found[2], trusted_of(session, *ids)))
    return policy_of(levels, base)
