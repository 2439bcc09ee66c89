"""What a worker can have ready before it knows its build: it waits for one anyway, and then somebody waits for it."""

from __future__ import annotations

from contextlib import suppress

from conda_store.builds.artifact_states import find_waiting
from conda_store.builds.events import log_text
from conda_store.builds.leases import find_lease, new_token
from conda_store.builds.subject import JobSettings
from conda_store.builds.workshop import Workshop
from conda_store.db import Database
from conda_store.db.orm import BuildRow
from conda_store.errors import CondaStoreError

_NO_BUILD = 0


class Workplace:
    """The database, and the workshop of the store. Raises `StorageFull` for a store that cannot be used."""

    def __init__(self, settings: JobSettings) -> None:
        self.database = Database(settings.database_url)
        self.workshop = Workshop(settings.store_directory, settings.policy)
        self.workshop.solver.timeout_seconds = settings.limits.solve_seconds

    def rehearse(self) -> None:
        """Ask about a build that does not exist: a process needs 20 ms more for its first questions than for others.

        Leaves no connection open, and no trace of a database that does not answer: it may when there is work.
        """
        with suppress(CondaStoreError), self.database.read() as session:
            session.get(BuildRow, _NO_BUILD)
            find_waiting(session, _NO_BUILD)
            find_lease(session, _NO_BUILD, new_token())
            log_text(session, _NO_BUILD)
        self.database.close()


def find_workplace(settings: JobSettings) -> Workplace | None:
    """A workplace where all is rehearsed; None where there is none now: the job will say why."""
    with suppress(CondaStoreError):
        place = Workplace(settings)
        place.rehearse()
        return place
    return None
