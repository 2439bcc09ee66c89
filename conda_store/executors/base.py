"""What the server asks of an executor. Which builds there are to run, and to end, stands in the database."""

from __future__ import annotations

from abc import abstractmethod

from traitlets.config import LoggingConfigurable

from conda_store.builds.states import ArtifactState, ArtifactType
from conda_store.builds.subject import JobSettings


class Executor(LoggingConfigurable):
    """Runs builds somewhere. All methods return at once, whatever there is to do, and may be called from any thread."""

    @property
    def seats(self) -> int | None:
        """How many builds may run at once; None where that is not known here."""
        return None

    @abstractmethod
    def start(self, settings: JobSettings) -> None:
        """Begin to look for builds; those of a server that was killed are put right."""

    @abstractmethod
    def submit(self, build_id: int) -> None:
        """There is a new QUEUED build."""

    @abstractmethod
    def submit_artifact(self, build_id: int, artifact_type: ArtifactType) -> ArtifactState:
        """Let an artifact of a COMPLETED build be made unless it is there or on its way; returns its state.

        One that failed is tried again. Raises `BuildNotCompleted`.
        """

    @abstractmethod
    def cancel(self, build_id: int) -> None:
        """`states.cancel` was called for a build: end its worker."""

    @abstractmethod
    def stop(self) -> None:
        """End all workers and what they started; their builds wait for the next server. Returns when they are gone."""
