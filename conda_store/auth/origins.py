"""Whether a browser was sent here by somebody else's page: pure rules over request headers.

A page of another site can make a browser send requests to us, with the user's cookie or from the user's own machine.
`Host` is checked so that a foreign name which was made to resolve to us (DNS rebinding) reaches nothing;
`Sec-Fetch-Site` and `Origin` so that a foreign page changes nothing (Fetch standard; W3C Fetch Metadata).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from conda_store.auth.permissions import PermissionDenied
from conda_store.errors import BadInput, CondaStoreError

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES = {"same-origin", "none"}


class HostRefused(CondaStoreError):
    """The request was sent to a name that is not this server's."""

    status = 403
    code = "host_refused"


class CrossSite(PermissionDenied):
    """A page of another site made a browser send this."""

    code = "cross_site"


@dataclass(frozen=True)
class BrowserRules:
    """Names under which this server may be called, and other origins whose pages may use it."""

    hosts: frozenset[str]
    origins: frozenset[str] = frozenset()

    @classmethod
    def of(cls, hosts: Iterable[str], origins: Iterable[str]) -> BrowserRules:
        """Rules for these names, and always those of loopback."""
        names = frozenset(name.strip("[]").lower() for name in (*LOOPBACK_NAMES, *hosts))
        return cls(names, frozenset(origin.rstrip("/").lower() for origin in origins))

    def check_host(self, host: str) -> None:
        """Raises `HostRefused` unless `host` (without port) is one of ours."""
        name = host.strip("[]").rstrip(".").lower()
        if name not in self.hosts:
            raise HostRefused(
                f"This server is not known as '{host[:100]}'. An administrator can add the name to "
                "c.CondaStore.allowed_hosts."
            )

    def is_allowed_origin(self, origin: str | None) -> bool:
        """Whether pages of `origin` may use this server although they are not its own."""
        return origin is not None and origin.rstrip("/").lower() in self.origins

    def is_foreign(self, headers: Mapping[str, str]) -> bool:
        """Whether a page of another, not allowed, origin sent this: then neither cookie nor place count."""
        origin = headers.get("Origin")
        if origin is None or self.is_allowed_origin(origin):
            return False
        return _origin_of(origin)[1] != headers.get("Host", "").lower()

    def check_change(self, headers: Mapping[str, str]) -> None:
        """Raises `CrossSite` for a change that a foreign page may have sent; clients that are no browser pass."""
        site = headers.get("Sec-Fetch-Site")
        elsewhere = site is not None and site not in _OWN_SITES and not self.is_allowed_origin(headers.get("Origin"))
        if elsewhere or self.is_foreign(headers):
            raise CrossSite("A page of another site sent this request: it was not carried out.")

    def check_target(self, target: str, host: str) -> str:
        """`target` of a redirect when it is ours or an allowed origin's, else raises `BadInput`."""
        hidden = "\\" in target or any(ord(character) <= 32 for character in target)
        inside = target.startswith("/") and not target.startswith("//")
        scheme, place = _origin_of(target)
        ours = scheme in {"http", "https"} and place == host.lower()
        if hidden or not (inside or ours or self.is_allowed_origin(f"{scheme}://{place}")):
            raise BadInput("'next' leads to another site.")
        return target

    def other_origin(self, target: str) -> str:
        """The allowed origin that `target` of a redirect leads to; empty when it is ours."""
        origin = "://".join(_origin_of(target))
        return origin if self.is_allowed_origin(origin) else ""


def _origin_of(url: str) -> tuple[str, str]:
    """Scheme and host with port, in lower case; both empty for what is no URL."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", ""
    return parts.scheme.lower(), parts.netloc.lower()
