"""What a Jupyter server loads of conda-store: the panel's bundle, and the extension that it speaks with.

The extension passes requests on, saves downloads and offers environments as kernels; `connection` says where the server
is. It imports `conda_store.client` and nothing else of conda-store: it is installed beside a user's own packages.
"""

from __future__ import annotations

from typing import Any

from conda_store._version import __version__

__all__ = ["__version__"]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Where the bundle is, and its name (JupyterLab: prebuilt extensions)."""
    return [{"src": "static", "dest": "conda-store"}]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """What `jupyter server` loads (Jupyter Server: extension points)."""
    from conda_store_labextension.extension import CondaStoreExtension

    return [{"module": "conda_store_labextension", "app": CondaStoreExtension}]
