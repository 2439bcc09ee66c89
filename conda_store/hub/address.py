"""Where conda-store is, seen from the Hub and from the servers that it starts."""

from __future__ import annotations

from urllib.parse import urlsplit


def service_address(url: str, hub_base_url: str, name: str) -> str:
    """The address of conda-store at `url`; one without a path is that of the Hub's service `name`.

    `hub_base_url` is the Hub's own path, such as `/hub/`.
    """
    if not url or urlsplit(url).path.strip("/"):
        return url
    return f"{url.rstrip('/')}{service_path(hub_base_url, name)}"


def service_path(hub_base_url: str, name: str) -> str:
    """Where a service of the Hub is, below the Hub's host."""
    return f"{hub_base_url.removesuffix('hub/')}services/{name}/"
