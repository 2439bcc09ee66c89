"""The log of a build as the artifact LOGS, made when the build has ended; until then it is rows (`events.py`)."""

from __future__ import annotations

from sqlalchemy.orm import Session

from conda_store.builds.artifact_states import ArtifactState, ArtifactType, move_artifact
from conda_store.builds.events import log_text
from conda_store.builds.keys import artifact_key
from conda_store.db.orm import BuildRow
from conda_store.storage.base import Storage

LOGS_NAME = "logs.txt"


def keep_log(session: Session, storage: Storage, build: BuildRow) -> None:
    """Make the log so far the LOGS artifact of a build that the transaction has locked."""
    data = log_text(session, build.id).encode()
    key = artifact_key(build.id, LOGS_NAME)
    storage.put(key, data)
    move_artifact(session, build, ArtifactType.LOGS, ArtifactState.READY, key, len(data))
