"""Running uv: only with this machine's proxies, certificates and indexes, and without anything else of this process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from uv import find_uv_bin

from conda_store.errors import CondaStoreError, FetchFailed
from conda_store.packages.wheel_target import MACOS

UV_SECONDS = 600
_OPTIONS = ("--no-config", "--no-progress", "--color", "never", "--no-python-downloads")
_MACHINE_SETTINGS = frozenset(
    (
        *("PATH", "HOME", "TMPDIR", "NETRC", "SSL_CERT_FILE", "SSL_CERT_DIR"),
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "UV_SYSTEM_CERTS", "UV_NATIVE_TLS"),
        *("UV_INSECURE_HOST", "UV_HTTP_TIMEOUT", "UV_HTTP_RETRIES", "UV_KEYRING_PROVIDER", "UV_INDEX_STRATEGY"),
    )
)
_INDEX_SETTINGS = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_NO_INDEX")


def run_uv(
    arguments: Sequence[str], *, directory: Path, text: str = "", index_urls: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Run uv in `directory` with `text` as its input, without colours, configuration files or secrets of this process.

    Indexes go through the environment, since arguments are public. Raises `FetchFailed` after `UV_SECONDS`.
    """
    try:
        return subprocess.run(
            [find_uv_bin(), *arguments, *_OPTIONS, "--python", sys.executable],
            input=text,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            cwd=directory,
            env=_environment(index_urls),
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
        parts = urlsplit(text.partition("=")[2] if re.match(r"[\w-]+=", text) else text)
        same = (parts.scheme, parts.hostname, parts.port) == (wanted.scheme, wanted.hostname, wanted.port)
        if same and parts.username:
            return unquote(parts.username), unquote(parts.password or "")
    return None


def _environment(index_urls: Sequence[str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name.upper() in _MACHINE_SETTINGS}
    kept["MACOSX_DEPLOYMENT_TARGET"] = ".".join(map(str, MACOS))
    if index_urls:
        return kept | {"UV_DEFAULT_INDEX": index_urls[0], "UV_INDEX": " ".join(index_urls[1:])}
    secrets = re.compile(r"UV_INDEX_\w+_(USERNAME|PASSWORD)")
    return kept | {
        name: value for name, value in os.environ.items() if name in _INDEX_SETTINGS or secrets.fullmatch(name)
    }


def without_credentials(text: str) -> str:
    """`text` with user names, passwords and queries taken out of its URLs."""
    return re.sub(r"(\w+://)[^/@\s]*@", r"\1", re.sub(r"(\w+://[^\s?]*)\?[^\s`)]*", r"\1", text))
