"""For a process that serves but runs no builds: what it asks for stands in the database, where another one looks."""

from __future__ import annotations

from conda_store.builds.states import ArtifactState, ArtifactType, request_artifact
from conda_store.builds.subject import JobSettings
from conda_store.db import Database
from conda_store.executors.base import Executor


class ElsewhereExecutor(Executor):
    """Leaves all work to the executor of the process that was started with this one."""

    def start(self, settings: JobSettings) -> None:
        self.database = Database(settings.database_url)

    def submit(self, build_id: int) -> None:
        """The row is all it takes."""

    def submit_artifact(self, build_id: int, artifact_type: ArtifactType) -> ArtifactState:
        with self.database.write() as session:
            return request_artifact(session, build_id, artifact_type)

    def cancel(self, build_id: int) -> None:
        """The row is all it takes."""

    def stop(self) -> None:
        self.database.close()
