"""Settings as the fields of a form: one text for each. Lists stand one entry to a line, everything else is YAML.

An empty field says nothing on its level; a list that shall be empty is written `[]`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml

from conda_store.errors import Problem
from conda_store.policy_settings import QUOTAS, PolicySettings
from conda_store.settings import DeploymentSettings, SettingInvalid, Settings, Values

_EMPTY_LIST = "[]"
GROUPS = ("Policy", "Quotas", "Builds", "Deployment")


@dataclass(frozen=True)
class Field:
    """One setting: `text` is what this level says ("" for nothing), `inherited` what counts otherwise."""

    name: str
    description: str
    group: str
    is_long: bool
    text: str
    inherited: str


def fields(own: Values, effective: Values, *, deployment: bool, environment: bool = False) -> Iterator[Field]:
    """The fields of a level, policy first. Those that the level cannot have are left out."""
    for name, info in Settings.model_fields.items():
        if (name in DeploymentSettings.model_fields and not deployment) or (environment and name in QUOTAS):
            continue
        group = "Policy" if name in PolicySettings.model_fields else "Builds"
        group = "Quotas" if name in QUOTAS else "Deployment" if name in DeploymentSettings.model_fields else group
        is_long = isinstance(effective.get(name), list | dict)
        text = written(own[name]) if name in own else ""
        yield Field(name, info.description or "", group, is_long, text, written(effective.get(name)))


def grouped(own: Values, effective: Values, *, deployment: bool, environment: bool) -> dict[str, list[Field]]:
    """The fields by group, in the order in which they are shown."""
    found: dict[str, list[Field]] = {group: [] for group in GROUPS}
    for field in fields(own, effective, deployment=deployment, environment=environment):
        found[field.group].append(field)
    return {group: some for group, some in found.items() if some}


def written(value: Any) -> str:
    """A value as its field shows it."""
    if value is None:
        return ""
    if isinstance(value, list):
        return "\n".join(map(str, value)) if value else _EMPTY_LIST
    if isinstance(value, str):
        return value
    return yaml.safe_dump(value, default_flow_style=not isinstance(value, dict)).removesuffix("...\n").strip()


def read(texts: Mapping[str, str]) -> dict[str, Any]:
    """What a form says: None takes back what its level set. Raises `SettingInvalid` for what is no YAML."""
    found: dict[str, Any] = {}
    for name, text in texts.items():
        if name in Settings.model_fields:
            found[name] = _value(name, text.strip())
    return found


def _value(name: str, text: str) -> Any:
    if not text:
        return None
    kinds = _kinds(name)
    if "array" in kinds:
        return [] if text == _EMPTY_LIST else [line.strip() for line in text.splitlines() if line.strip()]
    if "string" in kinds:
        return text
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        problem = Problem("is no YAML", path=name)
        raise SettingInvalid(f"{name} is no YAML: write it as docs/policy.md shows it.", [problem]) from None


@lru_cache(1)
def _schema() -> dict[str, Any]:
    found: dict[str, Any] = Settings.model_json_schema()["properties"]
    return found


def _kinds(name: str) -> set[str]:
    """The JSON types that a setting may have."""
    one = _schema()[name]
    return {choice["type"] for choice in one.get("anyOf", [one])}
