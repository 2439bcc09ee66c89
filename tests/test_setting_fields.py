"""Settings as the fields of a form: what is written comes back as it was meant."""

from __future__ import annotations

from typing import Any

import pytest

from conda_store import setting_fields
from conda_store.settings import SettingInvalid, Settings, merged

EXAMPLES: dict[str, Any] = {
    "conda_default_channels": ["conda-forge", "https://channels.example.org/ours"],
    "conda_allowed_channels": [],
    "conda_channel_alias": "https://channels.example.org",
    "virtual_packages": {"linux-64": {"__cuda": "12.4", "__glibc": ""}},
    "pip_policy": {"allowed": False},
    "quota_bytes": 10**12,
    "conda_max_solve_time": 2.5,
    "default_uid": 1000,
    "default_permissions": "775",
    "image": {"user": "root", "labels": {"a": "1"}},
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_value_survives_its_field(name: str) -> None:
    text = setting_fields.written(EXAMPLES[name])
    assert setting_fields.read({name: text}) == {name: EXAMPLES[name]}


def test_every_default_survives_its_field() -> None:
    defaults = Settings().model_dump(mode="json")
    texts = {name: setting_fields.written(value) for name, value in defaults.items()}
    assert setting_fields.read(texts) == defaults


def test_an_empty_field_takes_back_and_foreign_fields_are_left_out() -> None:
    assert setting_fields.read({"quota_bytes": "  ", "form_token": "x"}) == {"quota_bytes": None}
    assert setting_fields.read({"conda_default_packages": "python\r\n\r\n numpy \r\n"}) == {
        "conda_default_packages": ["python", "numpy"]
    }


def test_what_is_no_yaml_is_refused_by_name() -> None:
    with pytest.raises(SettingInvalid, match="virtual_packages is no YAML"):
        setting_fields.read({"virtual_packages": "{linux-64: ["})


def test_a_level_shows_only_what_it_can_have() -> None:
    effective = merged([])
    names = {
        level: {one.name for some in setting_fields.grouped({}, effective, **flags).values() for one in some}
        for level, flags in {
            "deployment": {"deployment": True, "environment": False},
            "namespace": {"deployment": False, "environment": False},
            "environment": {"deployment": False, "environment": True},
        }.items()
    }
    assert names["deployment"] == set(Settings.model_fields)
    assert names["deployment"] > names["namespace"] > names["environment"]
    assert "quota_bytes" in names["namespace"] - names["environment"]
    own = setting_fields.grouped({"quota_bytes": 5}, effective, deployment=False, environment=False)["Quotas"]
    assert {one.name: one.text for one in own if one.text} == {"quota_bytes": "5"}
