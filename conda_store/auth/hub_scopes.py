"""What JupyterHub says of a user, a service or a token, as an identity. Pure: no Hub is asked here.

Custom scopes of conda-store, on a token or of a user (docs/jupyterhub.md):

    custom:conda-store:write!group=data    developer in the namespace of the group `data`, also for who is not in it
    custom:conda-store:read!user=<self>    what one may do anyway, and of that no more than a viewer; so without filter
    custom:conda-store:everything          administrator of the deployment

Who shows none of them has all their rights; who shows some has what these say and no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from conda_store.auth.permissions import RANKS, Grant, Identity
from conda_store.errors import BadInput

PREFIX = "custom:conda-store:"
EVERYTHING = f"{PREFIX}everything"
#: Scope → role.
ROLES_OF_SCOPES = {f"{PREFIX}read": "viewer", f"{PREFIX}write": "developer", f"{PREFIX}admin": "admin"}
_ANYWHERE = "*/*"
# A user's name holds no colon where a namespace is to have it, so a service is never taken for a user.
_SERVICE = "service:"


def identity_of(model: Mapping[str, Any], namespace_of: Callable[[str], str]) -> Identity:
    """The caller whom a model of the Hub describes; `namespace_of` says which namespace a group has."""
    is_user = model.get("kind", "user") == "user"
    name, groups = str(model["name"]), tuple(sorted(map(str, model.get("groups") or ())))
    grants, most = _scoped(model.get("scopes") or (), f"!user={name}" if is_user else "", namespace_of)
    return Identity(
        name=name if is_user else f"{_SERVICE}{name}",
        grants=grants,
        primary_namespace=name if is_user else "default",
        groups=groups if is_user else (),
        has_namespace=is_user,
        most=most,
    )


def _scoped(
    scopes: Iterable[str], own: str, namespace_of: Callable[[str], str]
) -> tuple[tuple[Grant, ...], tuple[Grant, ...] | None]:
    """What scopes give, and what they narrow to: None when none of them is ours."""
    ours = sorted(scope for scope in map(str, scopes) if scope.startswith(PREFIX))
    if not ours:
        return (), None
    # The Hub drops a filtered scope beside the same one without filter: what all users have needs a filter, too.
    personal = [scope.removesuffix(own) for scope in ours]
    capped = [ROLES_OF_SCOPES[scope] for scope in personal if scope in ROLES_OF_SCOPES]
    given = [Grant(_ANYWHERE, "admin")] if EVERYTHING in ours else []
    given += [grant for scope in personal if "!" in scope for grant in _filtered(scope, namespace_of)]
    widest = [Grant(_ANYWHERE, max(capped, key=RANKS.index))] if capped else []
    return tuple(given), (*given, *widest)


def _filtered(scope: str, namespace_of: Callable[[str], str]) -> list[Grant]:
    """What a scope with a filter gives: nothing for a filter or a name that means no namespace."""
    base, _, condition = scope.partition("!")
    kind, _, name = condition.partition("=")
    role = ROLES_OF_SCOPES.get(base)
    namespace = {"group": namespace_of(name), "user": name}.get(kind, "")
    if role is None or not namespace or "*" in namespace:
        return []
    try:
        return [Grant(f"{namespace}/*", role)]
    except BadInput:
        return []
