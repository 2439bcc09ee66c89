"""Running uv: only with this machine's proxies, certificates and indexes, and without anything else of this process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from uv import find_uv_bin

from conda_store.errors import CondaStoreError, FetchFailed
from conda_store.packages.credentials import Credential, Credentials
from conda_store.packages.wheel_target import MACOS

if TYPE_CHECKING:
    from conda_store.packages.index_gate import IndexGate

UV_SECONDS = 600
_OPTIONS = ("--no-config", "--no-progress", "--color", "never", "--no-python-downloads")
_MACHINE_SETTINGS = frozenset(
    (
        *("PATH", "HOME", "TMPDIR", "NETRC", "SSL_CERT_FILE", "SSL_CERT_DIR"),
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "UV_SYSTEM_CERTS", "UV_NATIVE_TLS"),
        *("UV_INSECURE_HOST", "UV_HTTP_TIMEOUT", "UV_HTTP_RETRIES", "UV_KEYRING_PROVIDER", "UV_INDEX_STRATEGY"),
    )
)
_PROXIES = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"})
_PYPI = "https://pypi.org/simple"
_INDEX_SETTINGS = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_NO_INDEX")


def run_uv(
    arguments: Sequence[str],
    *,
    directory: Path,
    text: str = "",
    index_urls: Sequence[str] = (),
    gate: IndexGate | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run uv in `directory` with `text` as its input, without colours, configuration files or secrets of this process.

    Indexes go through the environment, since arguments are public; with `gate` they are asked through it, where it is
    needed. Raises `FetchFailed` after `UV_SECONDS`, and what the gate has to say of a failure.
    """
    known = tuple(index_urls) or machine_indexes()
    if gate is None or not gate.is_needed(known):
        return _run(arguments, directory, text, _environment(index_urls))
    gate.faults.clear()
    done = _run(arguments, directory, gate.hidden(text), _behind(gate, known))
    if done.returncode:
        gate.check()
    done.stdout, done.stderr = gate.plain(done.stdout), gate.plain(done.stderr)
    return done


def machine_indexes() -> tuple[str, ...]:
    """The indexes of the `UV_*` variables without their credentials, the default first."""
    default = os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("UV_INDEX_URL") or _PYPI
    others = [word for name in ("UV_INDEX", "UV_EXTRA_INDEX_URL") for word in os.environ.get(name, "").split()]
    return tuple(without_credentials(_unnamed(text)).rstrip("/") for text in (default, *others))


def machine_credentials() -> Credentials:
    """What the `UV_*` variables have for their indexes."""
    known = [_unnamed(word) for name in _INDEX_SETTINGS[:4] for word in os.environ.get(name, "").split()]
    found = [(without_credentials(url).rstrip("/"), index_credentials(url)) for url in known]
    return Credentials(tuple(Credential(url, "basic", pair[1], pair[0]) for url, pair in found if pair))


def _run(
    arguments: Sequence[str], directory: Path, text: str, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            [find_uv_bin(), *arguments, *_OPTIONS, "--python", sys.executable],
            input=text,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            cwd=directory,
            env=environment,
            umask=0o022,
            timeout=UV_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise FetchFailed(f"pip: uv did not finish within {UV_SECONDS} seconds; try again later.") from None
    except FileNotFoundError as error:
        raise CondaStoreError(f"pip: the program uv is missing ({error}); install conda-store[server].") from error


def index_credentials(url: str, index_urls: Sequence[str] = ()) -> tuple[str, str] | None:
    """User name and password which an index URL (or the machine's `UV_*` variables) has for the origin of `url`."""
    known = index_urls or [word for name in _INDEX_SETTINGS for word in os.environ.get(name, "").split()]
    wanted = urlsplit(url)
    for text in known:
        parts = urlsplit(_unnamed(text))
        same = (parts.scheme, parts.hostname, parts.port) == (wanted.scheme, wanted.hostname, wanted.port)
        if same and parts.username:
            return unquote(parts.username), unquote(parts.password or "")
    return None


def _unnamed(text: str) -> str:
    """The URL of an index that may have a name: `name=url`."""
    return text.partition("=")[2] if re.match(r"[\w-]+=", text) else text


def _machine_settings() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name.upper() in _MACHINE_SETTINGS}
    return kept | {"MACOSX_DEPLOYMENT_TARGET": ".".join(map(str, MACOS))}


def _behind(gate: IndexGate, index_urls: Sequence[str]) -> dict[str, str]:
    kept = {name: value for name, value in _machine_settings().items() if name.upper() not in _PROXIES}
    return kept | gate.environment(index_urls)


def _environment(index_urls: Sequence[str]) -> dict[str, str]:
    kept = _machine_settings()
    if index_urls:
        return kept | {"UV_DEFAULT_INDEX": index_urls[0], "UV_INDEX": " ".join(index_urls[1:])}
    secrets = re.compile(r"UV_INDEX_\w+_(USERNAME|PASSWORD)")
    return kept | {
        name: value for name, value in os.environ.items() if name in _INDEX_SETTINGS or secrets.fullmatch(name)
    }


def without_credentials(text: str) -> str:
    """`text` with user names, passwords and queries taken out of its URLs."""
    return re.sub(r"(\w+://)[^/@\s]*@", r"\1", re.sub(r"(\w+://[^\s?]*)\?[^\s`)]*", r"\1", text))
