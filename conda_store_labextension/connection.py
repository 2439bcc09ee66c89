"""Where the conda-store server is and how this Jupyter server proves who it is."""

from __future__ import annotations

import os

from traitlets import Unicode, default
from traitlets.config import Configurable


class Connection(Configurable):
    """How a Jupyter server reaches conda-store: under a Hub with the token that the Hub gave it."""

    url = Unicode(
        help="Address of the conda-store server, such as `https://hub.example.org/services/conda-store/`. The variable "
        "CONDA_STORE_URL says it otherwise.",
    ).tag(config=True)
    token = Unicode(
        help="The token that is sent to conda-store. Otherwise variables CONDA_STORE_TOKEN and JUPYTERHUB_API_TOKEN "
        "say it, in this order: under a Hub the server's own token has the user's rights.",
    ).tag(config=True)

    @default("url")
    def _url_of_the_environment(self) -> str:
        return os.environ.get("CONDA_STORE_URL", "")

    @default("token")
    def _token_of_the_environment(self) -> str:
        return os.environ.get("CONDA_STORE_TOKEN") or os.environ.get("JUPYTERHUB_API_TOKEN", "")
