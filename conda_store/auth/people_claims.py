"""What claims say of a person (OpenID Connect Core, 5.1): name, account, verified address, groups. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from conda_store.auth.permissions import CredentialsInvalid
from conda_store.specification_grammar import namespace_fault


@dataclass(frozen=True)
class Person:
    """`subject` is the account itself; `domain` that of an address which the provider has verified, or ""."""

    name: str
    subject: str
    domain: str = ""


def person_in(claims: Mapping[str, Any], name_claim: str) -> Person:
    """Of whom `claims` tell. Raises `CredentialsInvalid` when nobody can have that name here, and says why."""
    found = value_of(claims, name_claim)
    is_verified = _is_true(claims.get("email_verified"))
    if isinstance(found, bool) or not isinstance(found, str | int) or found == "":
        raise CredentialsInvalid(
            f"The provider does not say who you are: it gives no '{name_claim}'. Ask who runs this server to look at "
            "the options username_claim and scope."
        )
    if name_claim == "email" and not is_verified:
        raise CredentialsInvalid("Your e-mail address is not verified there: verify it first, then sign in again.")
    name = str(found)
    if (fault := namespace_fault(name)) is not None:
        raise CredentialsInvalid(f"Your name at the provider cannot be used here. {fault}")
    subject = str(claims.get("sub") or claims.get("id") or name)
    return Person(name, subject, _domain(claims.get("email")) if is_verified else "")


def groups_in(claims: Mapping[str, Any], claim: str) -> tuple[str, ...]:
    """The groups in `claim`, a list of texts or one text."""
    found = value_of(claims, claim)
    listed = found if isinstance(found, list) else [found]
    return tuple(sorted({one for one in listed if isinstance(one, str) and one}))


def value_of(claims: Mapping[str, Any], path: str) -> Any:
    """The claim of that very name (it may have dots), else what a path with dots leads to; None for nothing."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _domain(email: Any) -> str:
    return email.rpartition("@")[2].lower() if isinstance(email, str) and "@" in email else ""


def _is_true(value: Any) -> bool:
    # Some providers write it as text.
    return value is True or value == "true"
