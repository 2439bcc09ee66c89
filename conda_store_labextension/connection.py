"""Where the conda-store server is and how this Jupyter server proves who it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from traitlets import Float, Integer, TraitError, Unicode, default
from traitlets.config import Configurable

from conda_store.errors import CondaStoreError

_OPTION = "c.CondaStoreConnection.url"
_VARIABLE = "CONDA_STORE_URL"


class Unconfigured(CondaStoreError):
    """Nobody said where conda-store is, or what was said cannot be used."""

    status = 503
    code = "unconfigured"


class SecretText(Unicode[str, Any]):
    """A text whose value no error shows; that of a plain trait does."""

    def validate(self, obj: Any, value: Any) -> Any:
        """Raises `TraitError` naming the option alone."""
        try:
            return super().validate(obj, value)
        except TraitError:
            raise TraitError(f"c.{type(obj).__name__}.{self.name} must be a text, in quotes.") from None


class CondaStoreConnection(Configurable):
    """How a Jupyter server reaches conda-store: under a Hub with the token that the Hub gave it."""

    url = Unicode(
        help="Address of the conda-store server, such as `https://hub.example.org/services/conda-store/`. Otherwise "
        "the variable CONDA_STORE_URL says it, and under a Hub that knows its own public address "
        "(option public_url of JupyterHub) it is that of the Hub's service `conda-store`.",
    ).tag(config=True)
    token = SecretText(
        help="The token that is sent to conda-store. Otherwise `token_file`, the variables CONDA_STORE_TOKEN and "
        "JUPYTERHUB_API_TOKEN, and what `conda-store login` keeps say it, in this order: under a Hub the server's own "
        "token has the user's rights. What stands in a configuration file is shown by Jupyter's own `--show-config` "
        "and its debug log; what is given in the other ways is not.",
    ).tag(config=True)
    token_file = Unicode(
        help="Path of a file that holds the token that is sent to conda-store. It is read again for every request, so "
        "that a token can be replaced while the Jupyter server runs. Example: `/etc/conda-store/token`.",
    ).tag(config=True)
    max_body_bytes = Integer(
        32 * 1024 * 1024,
        min=0,
        help="Bytes that the body of one request to conda-store may have; a larger one is refused with status 413. "
        "Specifications and lockfiles are far smaller, and what is downloaded is not limited.",
    ).tag(config=True)
    connect_seconds = Float(
        10.0, min=0.1, help="Seconds that conda-store has to accept a connection; longer counts as unreachable."
    ).tag(config=True)
    answer_seconds = Float(
        330.0,
        min=1,
        help="Seconds for which conda-store may be silent before a request is given up. It holds a download for up to "
        "five minutes while the artifact is being made, so the default is a little longer.",
    ).tag(config=True)
    state_seconds = Float(
        5.0,
        min=0.1,
        help="Seconds that conda-store has to say whether it answers when the panel asks how it is connected.",
    ).tag(config=True)

    @default("url")
    def _url_of_the_environment(self) -> str:
        return os.environ.get(_VARIABLE, "") or _service_of_the_hub()

    @property
    def address(self) -> str:
        """The checked address, without a slash at its end. Raises `Unconfigured`, naming who said it."""
        if not self.url:
            raise Unconfigured(
                "It is not said where conda-store is. Set the variable CONDA_STORE_URL, or c.CondaStoreConnection.url "
                "in jupyter_server_config.py, and start the Jupyter server again."
            )
        fault = _fault_of(self.url)
        if fault:
            source = _VARIABLE if self.url == os.environ.get(_VARIABLE) else _OPTION
            raise Unconfigured(
                f"{source} is not the address of a server: {fault}. Write it like http://localhost:5000."
            )
        return self.url.rstrip("/")

    def credential(self) -> str:
        """The token to send, "" when there is none. Raises `Unconfigured` for one that cannot be used."""
        token = (self.token or self._of_the_file() or _of_the_environment() or self._of_the_login()).strip()
        if not (token.isascii() and token.isprintable() and " " not in token):
            raise Unconfigured("The token for conda-store holds a character that no token has: copy it again.")
        return token

    def _of_the_file(self) -> str:
        if not self.token_file:
            return ""
        try:
            return Path(self.token_file).read_text()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise Unconfigured(f"c.CondaStoreConnection.token_file cannot be read: {reason}.") from None

    def _of_the_login(self) -> str:
        # It brings an HTTP client, which a Jupyter server shall not wait for when it starts.
        from conda_store.client.credentials import Credentials

        return Credentials().find(self.address) or ""


def _of_the_environment() -> str:
    return os.environ.get("CONDA_STORE_TOKEN") or os.environ.get("JUPYTERHUB_API_TOKEN", "")


def _service_of_the_hub() -> str:
    """The address of the Hub's service `conda-store`, where the Hub says its own (JupyterHub: public_url)."""
    public = os.environ.get("JUPYTERHUB_PUBLIC_HUB_URL", "").rstrip("/")
    return f"{public.removesuffix('/hub')}/services/conda-store/" if public.endswith("/hub") else ""


def _fault_of(url: str) -> str:
    """What is wrong with an address, without showing what may be a secret in it; "" when nothing is."""
    if not url.isprintable() or " " in url or "\\" in url:
        return "it holds a character that none has"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "its host or port cannot be read"
    if parts.scheme not in ("http", "https") or not host:
        return "it does not begin with http:// or https:// and a host"
    if "@" in parts.netloc:
        return "it holds a user or password, and the token has an option of its own"
    if "?" in url or "#" in url:
        return "it has a query or a fragment"
    if any(one in (".", "..") for one in parts.path.split("/")):
        return "its path holds '.' or '..'"
    return ""
