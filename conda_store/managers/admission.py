"""What is let in: how large a submission may be, and how many builds of a namespace may be waiting."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from conda_store.builds.lockfile_reader import LIMITS
from conda_store.builds.states import Status
from conda_store.db.orm import BuildRow, EnvironmentRow, NamespaceRow
from conda_store.errors import CondaStoreError, Problem, SpecificationInvalid
from conda_store.specification import DEFAULT_LIMITS

#: More than this no reader takes, whatever the settings say.
LARGEST_SPECIFICATION, LARGEST_LOCKFILE = DEFAULT_LIMITS.yaml.max_bytes, LIMITS.max_bytes


class TooManyBuilds(CondaStoreError):
    """As many builds of a namespace are waiting as may; the same request may succeed later."""

    status = 429
    code = "too_many_builds"


@dataclass(frozen=True)
class SubmissionLimits:
    """Bytes of a specification and of a lockfile (UTF-8), and QUEUED builds of one namespace (None: any number)."""

    specification_bytes: int = LARGEST_SPECIFICATION
    lockfile_bytes: int = LARGEST_LOCKFILE
    queued_builds: int | None = 1000

    def check_size(self, text: str, *, is_lockfile: bool) -> None:
        """Raises `SpecificationInvalid` for a text that is too large."""
        most, kind = (self.lockfile_bytes, "lockfile") if is_lockfile else (self.specification_bytes, "specification")
        size = len(text.encode("utf-8", "surrogatepass"))
        if size > most:
            message = (
                f"The file has {size} bytes; at most {most} are read. Leave out what is not needed, or ask an "
                f"administrator about c.BuildLimits.max_{kind}_bytes."
            )
            raise SpecificationInvalid([Problem(message)], kind)

    def check_queue(self, session: Session, namespace: NamespaceRow) -> None:
        """Raises `TooManyBuilds` when the namespace has no room for one more."""
        if self.queued_builds is None:
            return
        query = select(func.count()).select_from(BuildRow).join(EnvironmentRow, BuildRow.environment)
        waiting = (BuildRow.status == Status.QUEUED, BuildRow.deleted_on.is_(None))
        count = session.scalar(query.where(EnvironmentRow.namespace_id == namespace.id, *waiting)) or 0
        if count >= self.queued_builds:
            raise TooManyBuilds(
                f"{count:,} builds of the namespace '{namespace.name}' are waiting for a worker, as many as may. "
                "Submit again when some have begun, cancel some, or let an administrator raise the limit "
                "(c.BuildLimits.max_queued_builds_per_namespace)."
            )
