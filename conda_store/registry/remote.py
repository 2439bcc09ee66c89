"""Images in a registry, read by the distribution protocol. Credentials go in here and into no message.

Formats: OCI distribution-spec 1.1; token authentication as in distribution's docs/spec/auth/token.md.
"""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Collection, Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from urllib.request import parse_http_list, parse_keqv_list

import httpx

from conda_store import __version__
from conda_store.errors import BaseImageMissing, DigestMismatch, FetchFailed
from conda_store.registry.manifests import (
    DOCUMENT_BYTES,
    INDEXES,
    MANIFESTS,
    Descriptor,
    ManifestInvalid,
    media_type_of,
    parse_object,
)
from conda_store.registry.references import DOCKER_HUB, Reference
from conda_store.registry.sources import CHUNK_BYTES, Document, ImageSource
from conda_store.storage.base import digest_of

# Docker Hub's references name one host and its registry answers at another.
_HUB_HOST = "registry-1.docker.io"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_ACCEPT = ", ".join(sorted(INDEXES | MANIFESTS))


class Unreachable(FetchFailed):
    """The registry did not answer, or answered that it cannot now."""


class RegistrySource(ImageSource):
    """The image that `reference` names in its registry.

    `credentials` are (user, password) by the host of a reference (`docker.io`, `ghcr.io`, `host:5000`). Plain
    HTTP is spoken to loopback and to the hosts in `insecure`, to no other, not even after a redirect.
    """

    def __init__(
        self,
        reference: Reference,
        *,
        credentials: Mapping[str, tuple[str, str]],
        insecure: Collection[str] = (),
        timeout_seconds: float = 30.0,
    ) -> None:
        self._reference = reference
        self._insecure = frozenset(_authority(httpx.URL(f"http://{host}")) for host in insecure)
        self._timeout_seconds = timeout_seconds
        self._credentials = credentials.get(reference.domain)
        host = _HUB_HOST if reference.domain == DOCKER_HUB else reference.domain
        plain = self._may_be_plain(httpx.URL(f"http://{host}"))
        self._base = httpx.URL(f"{'http' if plain else 'https'}://{host}/v2/{reference.path}/")

    def root(self) -> Document:
        """The manifest that the digest or, without one, the tag stands for now."""
        with self._get(f"manifests/{self._reference.target}") as response:
            data = self._read_document(response)
        digest = digest_of(data)
        if self._reference.digest not in (None, digest):
            raise DigestMismatch(f"{self._reference.domain} sent a manifest with the digest {digest}.")
        declared = response.headers.get("Content-Type", "").partition(";")[0].strip()
        media_type = media_type_of(parse_object(data, "the manifest")) or declared
        return Document(Descriptor(media_type, digest, len(data)), data)

    @contextmanager
    def blob(self, descriptor: Descriptor) -> Iterator[Iterator[bytes]]:
        kind = "manifests" if descriptor.media_type in INDEXES | MANIFESTS else "blobs"
        with self._get(f"{kind}/{descriptor.digest}") as response:
            # Raw: a proxy's own content coding would not have the digest.
            yield response.iter_raw(CHUNK_BYTES)

    def close(self) -> None:
        if "_client" in vars(self):
            self._client.close()

    @cached_property
    def _client(self) -> httpx.Client:
        """Made at the first request only: certificates take longer to load than all else that a known image needs."""
        scope = f"repository:{self._reference.path}:pull"
        return httpx.Client(
            base_url=self._base,
            auth=_Auth(_authority(self._base), scope, self._credentials),
            headers={"User-Agent": f"conda-store/{__version__}", "Accept-Encoding": "identity"},
            timeout=httpx.Timeout(self._timeout_seconds, connect=10.0),
            follow_redirects=True,
            event_hooks={"request": [self._check_scheme]},
            mounts={f"all://{name}": None for name in ("localhost", "127.0.0.1", "[::1]")},
            verify=ssl.create_default_context() if self._base.scheme == "https" else False,
        )

    @contextmanager
    def _get(self, url: str) -> Iterator[httpx.Response]:
        host = self._reference.domain
        try:
            with self._client.stream("GET", url, headers={"Accept": f"{_ACCEPT}, */*;q=0.1"}) as response:
                self._check_status(response)
                yield response
        except httpx.TimeoutException as error:
            raise Unreachable(f"{host} did not answer in time.") from error
        except httpx.TooManyRedirects as error:
            raise FetchFailed(f"{host} redirects without end.") from error
        except (httpx.ReadError, httpx.RemoteProtocolError) as error:
            raise Unreachable(f"the connection to {host} broke off ({_reason(error)}); try again.") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise Unreachable(f"{host} cannot be reached ({_reason(error)}).{_way_out(error)}") from error

    def _check_status(self, response: httpx.Response) -> None:
        host, status = self._reference.domain, response.status_code
        if status == 200:
            return
        if status in (401, 403):
            raise FetchFailed(
                f"{host} refuses access to {self._reference.path} (HTTP {status}): it does not exist, or the "
                f"credentials for {host} are missing or wrong (c.ImageBuilder.base_image_credentials)."
            )
        if status == 404:
            raise BaseImageMissing(f"{host} has no such image or a part of it is missing (HTTP 404).")
        if status == 429:
            raise Unreachable(f"{host} asks to come back later (HTTP 429, too many pulls); credentials may help.")
        if status >= 500:
            raise Unreachable(f"{host} has a problem of its own (HTTP {status}).")
        raise FetchFailed(f"{host} gave an unexpected answer (HTTP {status}).")

    def _read_document(self, response: httpx.Response) -> bytes:
        parts, size = [], 0
        for chunk in response.iter_raw():
            parts.append(chunk)
            size += len(chunk)
            if size > DOCUMENT_BYTES:
                raise ManifestInvalid(f"the manifest is larger than {DOCUMENT_BYTES:,} bytes.")
        return b"".join(parts)

    def _check_scheme(self, request: httpx.Request) -> None:
        if request.url.scheme != "https" and not self._may_be_plain(request.url):
            raise FetchFailed(
                f"{self._reference.domain} leads to {request.url.host} without encryption, "
                "and that host is not listed in c.ImageBuilder.insecure_registries."
            )

    def _may_be_plain(self, url: httpx.URL) -> bool:
        return url.host in _LOOPBACK or _authority(url) in self._insecure


class _Auth(httpx.Auth):
    """Answers a registry's challenge: a bearer token from where it says, or basic credentials.

    Overrides `sync_auth_flow` and not `auth_flow`: the latter can read a token only by reading layers whole.
    """

    def __init__(self, host: str, scope: str, credentials: tuple[str, str] | None) -> None:
        self._host = host
        self._scope = scope
        self._basic: str | None = None
        if credentials is not None:
            self._basic = "Basic " + base64.b64encode(":".join(credentials).encode()).decode()
        self._known: str | None = None

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if self._known is not None:
            request.headers["Authorization"] = self._known
        response = yield request
        # A storage behind a redirect may refuse too; it gets no credentials of the registry's.
        if response.status_code != 401 or _authority(response.request.url) != self._host:
            return
        challenges = _challenges(response)
        if "bearer" in challenges:
            answer = yield self._token_request(challenges["bearer"])
            self._known = _bearer(answer)
        elif "basic" in challenges:
            self._known = self._basic
        else:
            return
        if self._known is not None:
            request.headers["Authorization"] = self._known
            yield request

    def _token_request(self, challenge: Mapping[str, str]) -> httpx.Request:
        params = {"scope": challenge.get("scope") or self._scope}
        if "service" in challenge:
            params["service"] = challenge["service"]
        headers = {"Authorization": self._basic} if self._basic is not None else {}
        try:
            url = httpx.URL(challenge.get("realm", ""))
            return httpx.Request("GET", url.copy_merge_params(params), headers=headers)
        except httpx.InvalidURL as error:
            raise FetchFailed(f"{self._host} names no valid place to get a token from.") from error


def _authority(url: httpx.URL) -> str:
    """`host` or `host:port`, without the scheme's own port."""
    return url.netloc.decode()


def _challenges(response: httpx.Response) -> dict[str, dict[str, str]]:
    """Scheme in lower case → parameters (RFC 9110, 11.6.1)."""
    found: dict[str, dict[str, str]] = {}
    for header in response.headers.get_list("WWW-Authenticate"):
        scheme, _, rest = header.partition(" ")
        parameters = [item for item in parse_http_list(rest) if "=" in item]
        found[scheme.lower()] = parse_keqv_list(parameters)
    return found


def _bearer(answer: httpx.Response) -> str | None:
    """The Authorization header from a token server's answer; None when it refuses, so that the 401 stands."""
    if answer.status_code >= 500 or answer.status_code == 429:
        raise Unreachable(f"{answer.request.url.host}, which gives out tokens, cannot now (HTTP {answer.status_code}).")
    if answer.status_code != 200:
        return None
    try:
        value = json.loads(answer.read())
        token = value.get("token") or value.get("access_token")
    except (ValueError, AttributeError, RecursionError) as error:
        raise FetchFailed(f"{answer.request.url.host} gave no token that can be understood.") from error
    return f"Bearer {token}" if isinstance(token, str) and token.isascii() and token.isprintable() else None


def _way_out(error: Exception) -> str:
    if "WRONG_VERSION_NUMBER" not in str(error):
        return ""
    return " It speaks plain HTTP, which is for hosts in c.ImageBuilder.insecure_registries only."


def _reason(error: Exception) -> str:
    """The first line of a connection error, without the URL that httpx never puts there but a proxy may."""
    text = (str(error) or type(error).__name__).splitlines()[0]
    return text[:200] if "://" not in text else type(error).__name__
