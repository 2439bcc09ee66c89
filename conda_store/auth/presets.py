"""Identity providers that many have: where their endpoints are, and what they call users and groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from traitlets import Dict, List, Unicode, default

from conda_store.auth.oauth import OAuth2Authenticator
from conda_store.auth.people_claims import Person, person_in


class GitHubAuthenticator(OAuth2Authenticator):
    """People of GitHub or a GitHub Enterprise Server. Groups are their organizations, and teams as
    'organization.team'."""

    @default("login_title")
    def _login_title(self) -> str:
        return "Login with GitHub"

    base_url = Unicode(
        "https://github.com", help="URL of GitHub, or of an Enterprise Server. Example: 'https://github.example.org'"
    ).tag(config=True)
    api_url = Unicode(
        help="URL of its REST API. Default: https://api.github.com, or /api/v3 of an Enterprise Server."
    ).tag(config=True)
    scope = List(
        Unicode(), ["read:org"], help="Scopes to ask for; without 'read:org' only public memberships are groups."
    ).tag(config=True)
    username_claim = Unicode("login", help="Field of the user that is their name here.").tag(config=True)

    @default("authorize_url")
    def _authorize_url(self) -> str:
        return f"{self.base_url.rstrip('/')}/login/oauth/authorize"

    @default("token_url")
    def _token_url(self) -> str:
        return f"{self.base_url.rstrip('/')}/login/oauth/access_token"

    @default("userdata_url")
    def _userdata_url(self) -> str:
        return f"{self.api_url.rstrip('/')}/user"

    @default("api_url")
    def _api_url(self) -> str:
        base = self.base_url.rstrip("/")
        return "https://api.github.com" if urlsplit(base).hostname == "github.com" else f"{base}/api/v3"

    async def groups_of(self, claims: Mapping[str, Any], access: str) -> tuple[str, ...]:
        """Organizations and teams, as the REST API lists them ("List organizations for the authenticated user")."""
        api = self.api_url.rstrip("/")
        organizations = await self.provider.all_of(f"{api}/user/orgs?per_page=100", access)
        teams = await self.provider.all_of(f"{api}/user/teams?per_page=100", access)
        found = {str(one.get("login", "")) for one in organizations}
        # An organization's name has no dot, so this names one team only, and a namespace may have it.
        found |= {f"{(one.get('organization') or {}).get('login', '')}.{one.get('slug', '')}" for one in teams}
        return tuple(sorted(found - {"", "."}))


class GitLabAuthenticator(OAuth2Authenticator):
    """People of gitlab.com or another GitLab. Groups are named with their whole path, 'lab/data'; for those of a
    group within a group c.RoleBindings.group_namespaces names the namespace."""

    @default("login_title")
    def _login_title(self) -> str:
        return "Login with GitLab"

    base_url = Unicode("https://gitlab.com", help="URL of GitLab. Example: 'https://gitlab.example.org'").tag(
        config=True
    )
    username_claim = Unicode("nickname", help="Claim that is the user's name here, and that of their namespace.").tag(
        config=True
    )
    groups_claim = Unicode("groups", help="Claim that lists the user's groups, each with its whole path.").tag(
        config=True
    )

    @default("issuer")
    def _issuer(self) -> str:
        return self.base_url.rstrip("/")


class GoogleAuthenticator(OAuth2Authenticator):
    """People with a Google account. Their name is their address, and there are no groups; allowed_domains are
    organizations of Google Workspace (claim 'hd')."""

    @default("login_title")
    def _login_title(self) -> str:
        return "Login with Google"

    base_url = Unicode(
        "https://accounts.google.com", help="URL of the issuer, below which its discovery document lies."
    ).tag(config=True)
    scope = List(
        Unicode(), ["openid", "email"], help="Scopes to ask for, so that the provider tells name and address."
    ).tag(config=True)
    username_claim = Unicode("email", help="Claim that is the user's name here, and that of their namespace.").tag(
        config=True
    )
    extra_authorize_params = Dict(
        default_value={"access_type": "offline"},
        key_trait=Unicode(),
        value_trait=Unicode(),
        help="More parameters for the page where people sign in. The default asks for a refresh token. Example: "
        "{'access_type': 'offline', 'hd': 'example.org'}",
    ).tag(config=True)

    @default("issuer")
    def _issuer(self) -> str:
        return self.base_url.rstrip("/")

    def person_in(self, claims: Mapping[str, Any]) -> Person:
        """An address may be of any domain; that an organization manages the account only says `hd`."""
        found = person_in(claims, self.username_claim)
        return replace(found, domain=str(claims.get("hd") or "").lower())


class KeycloakAuthenticator(OAuth2Authenticator):
    """People of a realm of Keycloak. A mapper must tell their groups to the userinfo endpoint: 'Group Membership' for
    'groups', 'User Realm Role' for 'realm_access.roles'."""

    @default("login_title")
    def _login_title(self) -> str:
        return "Login with Keycloak"

    base_url = Unicode(help="URL of Keycloak, with /auth where it has that. Example: 'https://sso.example.org'").tag(
        config=True
    )
    realm = Unicode("master", help="Name of the realm in which the people are known. Example: 'lab'").tag(config=True)
    groups_claim = Unicode("groups", help="Claim that lists the user's groups; dots lead into it.").tag(config=True)

    @default("issuer")
    def _issuer(self) -> str:
        if not self.base_url:
            raise self._fault("base_url", "is not set, nor issuer: say where Keycloak is")
        return f"{self.base_url.rstrip('/')}/realms/{self.realm}"


#: All that sign people in at a provider.
PROVIDERS = (
    OAuth2Authenticator,
    GitHubAuthenticator,
    GitLabAuthenticator,
    GoogleAuthenticator,
    KeycloakAuthenticator,
)
