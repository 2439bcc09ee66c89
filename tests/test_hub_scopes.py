"""What the Hub says of somebody, as rights: no Hub is needed to see it."""

from __future__ import annotations

from typing import Any

import pytest
from traitlets.config import Config

from conda_store.auth.hub import HubAuthenticator
from conda_store.auth.hub_scopes import identity_of
from conda_store.auth.permissions import Grant
from conda_store.errors import BadInput
from conda_store.managed_service import defaults

GROUPS = {"/lab/ml": "lab-ml"}


def identity(*scopes: str, **model: Any) -> Any:
    return identity_of({"name": "ana", "groups": ["data"], "scopes": scopes, **model}, lambda one: GROUPS.get(one, one))


@pytest.mark.parametrize(
    ("scopes", "given", "most"),
    [
        ([], [], None),
        (["read:users", "custom:other:read"], [], None),
        (["custom:conda-store:read"], [], ["viewer */*"]),
        (["custom:conda-store:read!user=ana"], [], ["viewer */*"]),
        (["custom:conda-store:read", "custom:conda-store:write!user=ana"], [], ["developer */*"]),
        (["custom:conda-store:admin!user=ben"], ["admin ben/*"], ["admin ben/*"]),
        (["custom:conda-store:write!group=/lab/ml"], ["developer lab-ml/*"], ["developer lab-ml/*"]),
        (["custom:conda-store:everything"], ["admin */*"], ["admin */*"]),
        # What means no namespace gives nothing, and takes the rest all the same.
        (["custom:conda-store:admin!group=*"], [], []),
        (["custom:conda-store:admin!group=a/b"], [], []),
        (["custom:conda-store:admin!server=ana/"], [], []),
        (["custom:conda-store:everything!user=ben"], [], []),
        (["custom:conda-store:king"], [], []),
    ],
)
def test_scopes_give_and_take(scopes: list[str], given: list[str], most: list[str] | None) -> None:
    found = identity(*scopes)
    assert [f"{grant.role} {grant.pattern}" for grant in found.grants] == given
    assert (None if found.most is None else [f"{grant.role} {grant.pattern}" for grant in found.most]) == most


def test_a_service_is_never_taken_for_a_user() -> None:
    found = identity("custom:conda-store:read!group=data", kind="service", admin=True)
    assert (found.name, found.has_namespace, found.groups) == ("service:ana", False, ())
    assert found.grants == (Grant("data/*", "viewer"),)


def test_an_administrator_of_the_hub_is_none_here() -> None:
    assert identity(admin=True).grants == ()


def test_a_server_that_no_hub_started_does_not_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUPYTERHUB_API_TOKEN", raising=False)
    with pytest.raises(BadInput, match="but JUPYTERHUB_API_TOKEN is not set"):
        HubAuthenticator()
    HubAuthenticator(config=Config({"HubOAuth": {"api_token": "x"}}))
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "x")
    HubAuthenticator()


def test_the_environment_of_a_service_gives_defaults() -> None:
    environment = {
        "JUPYTERHUB_API_TOKEN": "x",
        "JUPYTERHUB_SERVICE_URL": "http://127.0.0.1:5003",
        "JUPYTERHUB_SERVICE_PREFIX": "/hubs/services/conda-store/",
        "JUPYTERHUB_PUBLIC_URL": "https://hub.example.org/hubs/services/conda-store/",
    }
    found = defaults(environment).CondaStore
    assert (found.address, found.port, found.prefix) == ("127.0.0.1", 5003, "/hubs/services/conda-store/")
    assert (
        found.allowed_hosts == ["hub.example.org"]
        and found.image_host == "hub.example.org"
        and found.trust_proxy is True
    )
    # A notebook has a token of the Hub as well, and is no service.
    assert defaults({"JUPYTERHUB_API_TOKEN": "x"}) == {} == defaults({})
    everywhere = defaults(environment | {"JUPYTERHUB_SERVICE_URL": "http://0.0.0.0:5003"}).CondaStore
    assert everywhere.trust_proxy is False
