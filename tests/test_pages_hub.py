"""The pages below the prefix that a real Hub's proxy gives them: everybody on every page, and all that people do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.peopled_hub import hub_of_people
from tests.server import Site

# The same tests as without a Hub, with the server of this module.
from tests.test_pages import (  # noqa: F401
    builds,
    test_every_page_as_everybody,
    test_what_one_may_not_do_is_not_offered_and_refused,
    test_without_scripts_one_reads_downloads_checks_and_creates,
)
from tests.test_pages_created import (  # noqa: F401
    test_a_file_is_dropped_or_chosen,
    test_a_lockfile_is_uploaded_and_named,
    test_names_versions_and_channels_are_completed,
    test_one_writes_checks_and_builds,
    test_the_keyboard_alone_creates,
    test_what_was_written_survives_a_page_that_was_left,
)
from tests.test_pages_ruled import (  # noqa: F401
    test_a_namespace_is_made_shared_ruled_and_deleted,
    test_a_token_is_made_copied_used_and_revoked,
    test_an_administrator_cancels_looks_and_collects,
    test_rules_of_an_environment_and_of_all_are_written_in_forms,
    test_signing_out_ends_it,
    test_who_can_see_an_environment_is_told_with_the_reason,
)
from tests.test_pages_used import (  # noqa: F401
    test_a_log_is_followed_searched_wrapped_and_downloaded,
    test_an_environment_is_edited_described_rolled_back_and_compared,
    test_deletions_ask_for_the_name,
    test_environments_are_found_while_one_types_and_filters_live_in_the_address,
    test_installed_packages_are_found_while_one_types,
    test_the_documentation_and_the_api_are_there_to_read,
    test_the_keyboard_alone_rolls_back_and_deletes,
    test_ways_to_use_it_are_tabs_for_the_arrows_too,
    test_what_is_offered_of_an_environment_comes_and_commands_are_copied,
)
from tests.visitors import chromium, visiting


@pytest.fixture(scope="module")
def server(sample_channel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with hub_of_people(tmp_path_factory.mktemp("hub"), sample_channel.as_uri()) as site:
        yield site


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


def test_a_sign_in_at_the_hub_leads_back_to_what_was_refused(browser: Any, server: Site) -> None:
    with visiting(browser, server) as visitor:
        visitor.open("environment/lab/course/?search=num")
        visitor.click("Login with JupyterHub")
        visitor.give_name("vera", "")
        visitor.page.wait_for_url("**/environment/lab/course/?search=num")
        visitor.take_problems()
        assert visitor.page.input_value("input[name=search]") == "num"
        visitor.click("Log out", "header")
        visitor.page.wait_for_selector("header a:text-is('Login with JupyterHub')")
        assert visitor.page.url == f"{server.root}{server.prefix}"
        assert "lab/course" not in visitor.page.inner_text("main")
