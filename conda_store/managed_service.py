"""The server as a managed service of a JupyterHub: where the Hub tells it to be, and that it ends with the Hub."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Mapping
from urllib.parse import urlsplit

from traitlets.config import Config

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def defaults(environment: Mapping[str, str]) -> Config:
    """Options as the Hub wants them, by what it puts into a service's environment; none when there is no Hub.

    They stand below the configuration file and the command line.
    """
    config = Config()
    where = urlsplit(environment.get("JUPYTERHUB_SERVICE_URL", ""))
    if not (environment.get("JUPYTERHUB_API_TOKEN") and where.hostname):
        return config
    config.CondaStore.address = where.hostname
    config.CondaStore.port = where.port or 80
    config.CondaStore.prefix = environment.get("JUPYTERHUB_SERVICE_PREFIX") or "/"
    config.CondaStore.authenticator_class = "conda_store.auth.hub.HubAuthenticator"
    # The Hub's proxy sets what it forwards itself, and nobody else reaches a loopback address.
    config.CondaStore.trust_proxy = where.hostname in {"127.0.0.1", "localhost", "::1"}
    public = urlsplit(environment.get("JUPYTERHUB_PUBLIC_URL") or environment.get("JUPYTERHUB_PUBLIC_HUB_URL") or "")
    if public.hostname:
        config.CondaStore.allowed_hosts = [public.hostname]
        config.CondaStore.image_host = public.netloc
    return config


def end_with_hub(environment: Mapping[str, str]) -> None:
    """Let the kernel send SIGTERM when the Hub dies, which would otherwise find the port taken when it starts again."""
    if not environment.get("JUPYTERHUB_SERVICE_URL") or not sys.platform.startswith("linux"):
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        # It died before we could ask.
        sys.exit(1)
