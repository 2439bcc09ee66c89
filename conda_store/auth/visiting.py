"""Meeting people whom an identity provider knows, and asking it again about them: when, and what its answer changes."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from conda_store.auth.base import IdentityUnknown
from conda_store.auth.people_claims import Person
from conda_store.auth.permissions import CredentialsInvalid
from conda_store.auth.provider import GONE, Provider, Refused
from conda_store.auth.visits import Granted, Memory, Visit

log = logging.getLogger(__name__)

# How soon somebody is asked about again after the provider did not answer.
_AGAIN_SECONDS = 30.0


@dataclass(frozen=True)
class VisitSettings:
    """How long what a provider said counts: until it is asked again, besides that while it does not answer, when it can
    be asked no more; and how long it is kept at all."""

    refresh_seconds: float
    outage_seconds: float
    remember_seconds: float
    kept_seconds: float
    is_openid: bool


class Visitors:
    """The people of one provider. `person_in` and `groups_of` (with an access token) read claims."""

    def __init__(
        self,
        provider: Provider,
        settings: VisitSettings,
        person_in: Callable[[Mapping[str, Any]], Person],
        groups_of: Callable[[Mapping[str, Any], str], Awaitable[tuple[str, ...]]],
    ) -> None:
        self.provider, self.settings = provider, settings
        self._person_in, self._groups_of = person_in, groups_of

    async def met(self, granted: Granted, nonce: str | None, earlier: Mapping[str, Any] | None = None) -> Visit:
        """Whom the provider lets in with these tokens; `nonce` is of a new sign-in, `earlier` claims hold without a
        newer id token. Raises `CredentialsInvalid`, `IdentityUnknown`."""
        proven = dict(earlier or {})
        if self.settings.is_openid and (granted.id_token or nonce is not None):
            proven = await self.provider.claims(granted.id_token, nonce)
        told = await self.provider.userdata(granted.access)
        if proven and told.get("sub", proven["sub"]) != proven["sub"]:
            raise Refused(f"{self.provider.settings.place} tells of somebody else than who signed in: sign in again.")
        claims = {**proven, **told}
        person = self._person_in(claims)
        groups = await self._groups_of(claims, granted.access)
        now = time.time()
        return Visit(
            person.name,
            person.subject,
            groups,
            person.domain,
            confirmed_on=now,
            next_on=now + self.settings.refresh_seconds,
            access=granted.access,
            refresh=granted.refresh,
            expires_on=granted.expires_on,
            claims={name: value for name, value in proven.items() if name == "sub" or name not in told},
        )

    async def greet(self, visit: Visit, memory: Memory) -> None:
        """Keep what is known of somebody who signed in."""
        known = Visit.read(await memory.recall(visit.name) or "")
        if known is not None and known.subject == visit.subject and not visit.refresh:
            # Some providers give a refresh token only when somebody comes for the first time.
            visit = replace(visit, refresh=known.refresh)
        await memory.remember(visit.name, visit.text(), self.settings.kept_seconds)

    async def find(self, name: str, memory: Memory) -> Visit | None:
        """What is known of somebody; asks the provider when it is time to. None for whom nobody knows any more. Raises
        `IdentityUnknown`."""
        text = await memory.recall(name)
        visit = Visit.read(text) if text is not None else None
        if text is None or visit is None:
            return None
        now = time.time()
        if not visit.can_be_asked_about(now):
            return visit if now < visit.confirmed_on + self.settings.remember_seconds else None
        is_late = now > visit.confirmed_on + self.settings.refresh_seconds + self.settings.outage_seconds
        if now >= visit.next_on:
            # Of several processes one asks: where refresh tokens count only once, the others would spoil it.
            claimed = replace(visit, next_on=now + min(self.settings.refresh_seconds, _AGAIN_SECONDS))
            if await memory.remember(name, claimed.text(), self.settings.kept_seconds, text):
                return await self._asked_again(claimed, memory, is_late)
        if is_late:
            place = self.provider.settings.place
            raise IdentityUnknown(f"{place}, where people sign in, has not answered for long: try again soon.")
        return visit

    async def _asked_again(self, visit: Visit, memory: Memory, is_late: bool) -> Visit | None:
        stored = visit
        try:
            found = await self._renewed(visit)
            if not found.ended:
                if found != visit:
                    # At once: the old refresh token may count no longer, whatever happens next.
                    await memory.remember(visit.name, found.text(), self.settings.kept_seconds, stored.text())
                stored, found = found, await self._confirmed(found)
        except IdentityUnknown:
            if is_late:
                raise
            log.warning("The provider does not answer: '%s', whom it knew a while ago, is let in.", visit.name)
            return visit
        if not await memory.remember(visit.name, found.text(), self.settings.kept_seconds, stored.text()):
            # They signed in meanwhile.
            return Visit.read(await memory.recall(visit.name) or "")
        return found

    async def _renewed(self, visit: Visit) -> Visit:
        """The same with new tokens, where there are such. Raises `IdentityUnknown`."""
        if not visit.refresh:
            return visit
        try:
            granted = await self.provider.renew(visit.refresh)
        except Refused as refusal:
            return _after(refusal, visit)
        return replace(
            visit,
            access=granted.access,
            refresh=granted.refresh,
            expires_on=granted.expires_on,
            id_token=granted.id_token,
        )

    async def _confirmed(self, visit: Visit) -> Visit:
        """The same person as the provider knows them now, or that it tells no more. Raises `IdentityUnknown`."""
        try:
            granted = Granted(visit.access, visit.refresh, visit.id_token, visit.expires_on)
            found = await self.met(granted, None, visit.claims)
        except Refused as refusal:
            return _after(refusal, visit)
        except CredentialsInvalid:
            return _ended(visit)
        return found if (found.name, found.subject) == (visit.name, visit.subject) else _ended(visit)


def _after(refusal: Refused, visit: Visit) -> Visit:
    """What is left of somebody. Raises `IdentityUnknown` for a refusal that says nothing about them."""
    if refusal.reason not in GONE:
        raise IdentityUnknown(refusal.message) from refusal
    return _ended(visit)


def _ended(visit: Visit) -> Visit:
    return replace(visit, ended=True, access="", refresh="", id_token="")
