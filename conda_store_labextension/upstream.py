"""Requests to conda-store: one client for the whole Jupyter server, and what becomes of its failures and redirects."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http.cookiejar import DefaultCookiePolicy

import httpx

from conda_store._version import __version__
from conda_store.client.answers import refusal
from conda_store.errors import CondaStoreError
from conda_store_labextension.connection import CondaStoreConnection
from conda_store_labextension.passed_headers import is_page
from conda_store_labextension.targets import target_of

_AWAY = (502, 503, 504)
# Of what is read here and not passed on.
_LONGEST_ANSWER = 4 * 1024 * 1024


class Unreachable(CondaStoreError):
    """conda-store does not answer; the message says where it was looked for."""

    status = 502
    code = "conda_store_unreachable"


class TooSlow(Unreachable):
    """conda-store was silent for too long."""

    status = 504


class LeadsElsewhere(CondaStoreError):
    """An answer that leads to another address: the token is not taken there."""

    status = 502
    code = "redirect_refused"


class NotCondaStore(CondaStoreError):
    """Something answers at the address, but not as conda-store does."""

    status = 502
    code = "answer_unreadable"


class Upstream:
    """The conda-store server of a connection."""

    def __init__(self, connection: CondaStoreConnection) -> None:
        self.connection = connection
        # One request of the panel may be an endless stream: there is no number of them that is too many.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        self._http = httpx.AsyncClient(limits=limits, headers={"User-Agent": f"conda-store-jupyter/{__version__}"})
        for name in ("Accept", "Accept-Encoding"):  # the browser's are sent, and nothing where it has none
            del self._http.headers[name]
        self._http.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.aclose()

    @asynccontextmanager
    async def open(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: AsyncIterator[bytes] | None = None,
        seconds: float | None = None,
    ) -> AsyncIterator[httpx.Response]:
        """An answer of whatever status, its body still to come. Raises `CondaStoreError`.

        A redirect that may be followed has its target as `Location`. conda-store may be silent for `seconds`.
        """
        base, token = self.connection.address, self.connection.credential()
        sent = {**headers, **({"Authorization": f"Bearer {token}"} if token else {})}
        silence = seconds or self.connection.answer_seconds
        timeout = httpx.Timeout(silence, connect=min(silence, self.connection.connect_seconds))
        try:
            request = self._http.build_request(method, f"{base}/{target}", headers=sent, content=body, timeout=timeout)
            response = await self._http.send(request, stream=True, follow_redirects=False)
            try:
                self._check(response)
                yield response
            finally:
                await response.aclose()
        except httpx.TimeoutException as error:
            raise TooSlow(f"conda-store at {base} does not answer within {silence:g} s.") from error
        except httpx.HTTPError as error:
            raise self._trouble(error) from error
        except httpx.InvalidURL as error:
            raise NotCondaStore(f"This cannot be asked of {base}: {error}.") from error

    async def read(self, response: httpx.Response) -> bytes:
        """All of a short answer. Raises `NotCondaStore` for one without end."""
        found = b""
        async for chunk in response.aiter_bytes():
            found += chunk
            if len(found) > _LONGEST_ANSWER:
                raise NotCondaStore(
                    f"{self.connection.address} answers with more than conda-store does: is it conda-store?"
                )
        return found

    async def require_success(self, response: httpx.Response) -> None:
        """Raises what conda-store said, for an answer that is no success."""
        if response.is_success:
            return
        if response.is_redirect:
            raise NotCondaStore(
                f"{self.connection.address} leads on to another of its own addresses: is it conda-store?"
            )
        try:
            said = json.loads(await self.read(response))
        except ValueError:
            said = None
        base, retry_after = self.connection.address, response.headers.get("Retry-After")
        raise refusal(response.status_code, said, retry_after, base)

    def _check(self, response: httpx.Response) -> None:
        if response.has_redirect_location:
            response.headers["Location"] = self._followed(response)
            return
        if not is_page(response.headers.get("Content-Type", "")):
            return
        base = self.connection.address
        if response.status_code in _AWAY:
            raise Unreachable(
                f"conda-store is away: a server in front of it, at {base}, answers with status {response.status_code}."
            )
        raise NotCondaStore(
            f"{base} answers with a web page (status {response.status_code}) and not as conda-store does: is it the "
            "address of conda-store?"
        )

    def _followed(self, response: httpx.Response) -> str:
        """Where a redirect leads, below the address of conda-store. Raises `LeadsElsewhere` for one that leaves it."""
        base = self.connection.address
        where = "an address that cannot be read"
        try:
            found = response.request.url.join(response.headers["Location"])
            where = f"{found.scheme}://{found.netloc.decode('ascii', 'replace')}"
            path, _, query = found.raw_path.decode("ascii").partition("?")
            below = f"{httpx.URL(base).raw_path.decode('ascii').rstrip('/')}/"
            if _origin(found) == _origin(response.request.url) and not found.userinfo:
                where = "another place of the same server"
                if path.startswith(below):
                    return target_of(path.removeprefix(below), query)
        except (httpx.InvalidURL, UnicodeError, CondaStoreError):
            pass
        raise LeadsElsewhere(
            f"{base} leads on to {where}, and requests are not taken elsewhere. Does conda-store run there? If it is "
            "to be reached by another address, say so with CONDA_STORE_URL or c.CondaStoreConnection.url."
        )

    def _trouble(self, error: httpx.HTTPError) -> CondaStoreError:
        base = self.connection.address
        reason = _reason_of(error)
        if isinstance(error, httpx.ConnectError):
            return Unreachable(f"conda-store does not answer at {base}: {reason}.")
        if isinstance(error, httpx.DecodingError):
            return NotCondaStore(f"What {base} sent cannot be decoded: {reason}.")
        return Unreachable(f"The conversation with conda-store at {base} broke off: {reason}.")


def _reason_of(error: BaseException) -> str:
    """What the system said, which libraries bury under their own words."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, OSError) and found.errno:
            return os.strerror(found.errno) if found.errno > 0 else str(found.strerror)  # that of a name is below zero
        first = found.exceptions[0] if isinstance(found, BaseExceptionGroup) else None
        found = first or found.__cause__ or found.__context__
    return str(error) or type(error).__name__


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    usual = {"http": 80, "https": 443}
    return url.scheme, url.host, url.port or usual.get(url.scheme)
