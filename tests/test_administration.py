"""What whoever runs a server sees of it: its queue, its disk, its options without secrets."""

from __future__ import annotations

import html
from pathlib import Path

import pytest
from traitlets.config import Config

from conda_store.app import CondaStore
from conda_store.db.orm import ManifestRow
from conda_store.shown_options import HIDDEN, shown_options
from tests.server import running

CANARY = "canary-0f3c"


def options(**sections: dict[str, object]) -> dict[str, str]:
    """What is shown of a configuration."""
    config = Config()
    for section, values in sections.items():
        config[section].update(values)
    return dict(shown_options(CondaStore(config=config)))


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("CondaStore", {"database_url": f"postgresql+psycopg://me:{CANARY}@host/store?password={CANARY}"}),
        ("CondaStore", {"default_channels": [f"https://me:{CANARY}@conda.example.org/ours"]}),
        ("DummyAuthenticator", {"token": CANARY, "password": CANARY}),
        ("ChannelCredentials", {"channels": {"https://c.example.org": {"kind": "bearer", "secret": CANARY}}}),
        ("ServiceTokens", {"services": {"ci": {"value": CANARY}}}),
        ("ImageBuilder", {"base_image_credentials": {"ghcr.io": ["ana", CANARY]}}),
        ("ImageBuilder", {"environment": {"API_TOKEN": CANARY}}),
        ("EnvironmentPolicy", {"settings": {"pip": {"index_urls": [f"https://a:{CANARY}@pip.example.org"]}}}),
        ("OidcAuthenticator", {"client_secret": CANARY}),
        ("SomebodysAuthenticator", {"greeting": CANARY}),
    ],
)
def test_no_secret_is_shown(section: str, values: dict[str, object]) -> None:
    shown = options(**{section: values})
    assert shown.keys() == {f"c.{section}.{name}" for name in values}
    assert CANARY not in str(shown)


def test_what_differs_from_its_default_is_shown_as_it_is_written() -> None:
    shown = options(
        CondaStore={"port": 5000, "default_channels": ["bioconda"], "prefix": "/envs/"},
        GarbageCollection={"keep_builds": 5},
        DummyAuthenticator={"token": "x"},
    )
    assert shown == {
        "c.CondaStore.default_channels": "['bioconda']",
        "c.CondaStore.prefix": "'/envs/'",
        "c.GarbageCollection.keep_builds": "5",
        "c.DummyAuthenticator.token": HIDDEN,
    }


def test_the_pages_say_what_runs_lies_there_and_happened(tmp_path: Path) -> None:
    with running(tmp_path / "server", GarbageCollection__keep_deleted_days=0) as server:
        done, waiting, begun = (server.submit(name) for name in ("done", "waiting", "begun"))
        server.complete(done, LOGS=b"well\n")
        server.begin(begun)
        queue = server.web.get("admin/").text
        assert "1 worker busy, 1 build waiting." in " ".join(queue.split()).replace("workers busy", "worker busy")
        assert queue.index(f"build/{begun}/") < queue.index(f"build/{waiting}/") and f"build/{done}/" not in queue
        assert f"build/{waiting}/cancel/" in queue

        digest = server.storage.put_blob(b"l" * 5000)
        with server.app.database.write() as session:
            for name in ("default/done", "default/waiting"):
                session.add(ManifestRow(repository=name, digest=digest, media_type="", size=5000))
        storage = server.web.get("admin/storage/").text
        assert "5.0 kB</td>" in storage and "10.0 kB</td>" in storage
        assert "Show what would go" in storage and "Collect garbage" not in storage
        assert "Nothing would go now." in server.web.get("admin/storage/?plan=yes").text
        assert server.api.delete("environment/default/done/").status_code == 200
        assert "1 thing would go now" in server.web.get("admin/storage/?plan=yes").text

        trail = html.unescape(server.web.get("admin/audit/?action=environment.deleted&since=2026-01-01").text)
        assert "1 entry" in trail and "default" in trail and "done" in trail
        assert "0 entries" in server.web.get("admin/audit/?actor=nobody").text
        shown = html.unescape(server.web.get("admin/configuration/").text)
        assert "c.GarbageCollection.keep_deleted_days" in shown and "c.CondaStore.channel_alias" not in shown
        assert 'href="/a%40b/admin/"' in server.web.get("").text
