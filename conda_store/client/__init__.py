"""The Python API to a conda-store server, over its REST API; the command line and the JupyterLab panel use it too.

    with Client("http://localhost:5000") as client:
        build = client.wait(client.create(Path("environment.yaml").read_bytes()))

What can be asked stands in one module for each noun; requests stand in `connection`, what answers mean in `answers`,
the stream of events in `events`, a file on its way in `download`.
"""

from __future__ import annotations

from typing import Self

from conda_store.client.account import Account, Caller, NewToken, Token
from conda_store.client.answers import (
    AnswerUnreadable,
    Artifact,
    Build,
    BuildFailed,
    Changes,
    Difference,
    Environment,
    Image,
    NotAllowed,
    NotFound,
    ServerBusy,
    ServerRefused,
    ServerUnreachable,
    Submission,
    WaitTimedOut,
    WrongState,
)
from conda_store.client.audit import Audit, AuditEntry
from conda_store.client.builds import Builds
from conda_store.client.connection import Connection
from conda_store.client.environments import Environments
from conda_store.client.events import Event
from conda_store.client.files import ARTIFACTS, Files
from conda_store.client.kernels import Kernel, Kernels, RunnableBuild
from conda_store.client.namespaces import Namespace, Namespaces, Role, Usage
from conda_store.client.packages import Channel, Package, Packages, SolvedPackage
from conda_store.client.settings import Settings

__all__ = [
    "ARTIFACTS",
    "AnswerUnreadable",
    "Artifact",
    "AuditEntry",
    "Build",
    "BuildFailed",
    "Caller",
    "Changes",
    "Channel",
    "Client",
    "Difference",
    "Environment",
    "Event",
    "Image",
    "Kernel",
    "Namespace",
    "NewToken",
    "NotAllowed",
    "NotFound",
    "Package",
    "Role",
    "RunnableBuild",
    "ServerBusy",
    "ServerRefused",
    "ServerUnreachable",
    "SolvedPackage",
    "Submission",
    "Token",
    "Usage",
    "WaitTimedOut",
    "WrongState",
]


class Client(Environments, Builds, Files, Kernels, Packages, Namespaces, Settings, Audit, Account):
    """A connection to the server at `url`; a context manager, not shared between threads.

    `token` proves who calls. A stream or download that breaks off is resumed, and a server that is away meanwhile is
    borne for `patience_seconds`. Every error is a `CondaStoreError`: what the server says is a `ServerRefused` with
    its message, `code` and `problems`; else `ServerUnreachable` or `AnswerUnreadable`.
    """

    def __init__(self, url: str, token: str | None = None, *, patience_seconds: float = 60.0) -> None:
        self._connection = Connection(url, token)
        self.url = self._connection.url
        self.patience_seconds = patience_seconds

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of connections."""
        self._connection.close()
