"""Requests to private places: what opens one goes there and nowhere else, and no redirect is followed unseen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

from conda_store.errors import PolicyRefused
from conda_store.packages.channel_urls import normal_url
from conda_store.packages.credentials import Credential, Credentials

MAX_REDIRECTS = 10


class Answer(NamedTuple):
    """What `url` answers, after redirects; `is_opened` says whether something private was sent along."""

    url: str
    response: Any
    is_opened: bool


@contextmanager
def ask(
    client: Any,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    credentials: Credentials,
    check_redirect: Callable[[str], object],
) -> Iterator[Answer]:
    """Ask by `client` (httpx); `check_redirect` raises before a URL that a redirect leads to is asked."""
    is_opened = False
    for _ in range(MAX_REDIRECTS):
        found = opener(credentials, url)
        asked, extra = (found.opened(url), found.headers) if found else (url, {})
        is_opened = is_opened or found is not None
        with client.stream(method, asked, headers={**headers, **extra}) as response:
            if not response.has_redirect_location:
                yield Answer(url, response, is_opened)
                return
            target = urljoin(asked, response.headers["location"])
        url = found.closed(target) if found else target
        if urlsplit(url).scheme == "http" and asked.startswith("https:"):
            raise PolicyRefused("A redirect from https to http is not followed.")
        check_redirect(url)
    raise PolicyRefused(f"{method} {urlsplit(url).netloc} redirects more than {MAX_REDIRECTS} times.")


def opener(credentials: Credentials, url: str) -> Credential | None:
    """What opens a URL that may have a query."""
    return credentials.find(normal_url(url.partition("?")[0])) if credentials.known else None


def new_client(seconds: float = 60) -> Any:
    """A client for many threads; the import takes 80 ms that builds from local channels do not pay."""
    import httpx

    limits = httpx.Limits(max_connections=32, max_keepalive_connections=32)
    return httpx.Client(timeout=httpx.Timeout(seconds, pool=None), limits=limits, follow_redirects=False)
