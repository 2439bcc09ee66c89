"""Levels of settings merge as one would say it in a sentence, and nothing that is merged is changed by it."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from conda_store.settings import Settings, merged

DEFAULTS = Settings().model_dump(mode="json")
PLAIN = sorted(set(DEFAULTS) - {"image"})
TEXTS = st.text("abc", min_size=1, max_size=3)
VALUES = st.one_of(TEXTS, st.integers(), st.lists(TEXTS, max_size=2), st.none())
IMAGES = st.fixed_dictionaries(
    {}, optional={"user": st.sampled_from(["1", "2"]), "environment": st.dictionaries(st.sampled_from("AB"), TEXTS)}
)
PLAIN_LEVELS = st.lists(st.dictionaries(st.sampled_from([*PLAIN, "of another age"]), VALUES, max_size=4), max_size=4)


@settings(deadline=None, derandomize=True)
@given(PLAIN_LEVELS)
def test_of_each_setting_the_last_level_counts_that_has_it(levels: list[dict[str, Any]]) -> None:
    before = copy.deepcopy(levels)
    found = merged(levels)
    for name, value in DEFAULTS.items():
        said = [level[name] for level in levels if name in level]
        assert found[name] == (said[-1] if said else value)
    assert found.keys() == DEFAULTS.keys()
    assert levels == before
    assert Settings().model_dump(mode="json") == DEFAULTS


@settings(deadline=None, derandomize=True)
@given(st.lists(IMAGES, max_size=4))
def test_images_merge_key_by_key(images: list[dict[str, Any]]) -> None:
    found = merged([{"image": image} for image in images])["image"]
    users = [image["user"] for image in images if "user" in image]
    assert found.get("user") == (users[-1] if users else None)
    wanted: dict[str, str] = {}
    for image in images:
        wanted |= image.get("environment", {})
    assert found.get("environment", {}) == wanted


@settings(deadline=None, derandomize=True)
@given(PLAIN_LEVELS, PLAIN_LEVELS)
def test_it_does_not_matter_where_merging_stops_on_the_way(
    some: list[dict[str, Any]], more: list[dict[str, Any]]
) -> None:
    assert merged([merged(some), *more]) == merged([*some, *more])
