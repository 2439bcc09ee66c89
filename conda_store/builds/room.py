"""Room on the disk of the store that is left for what runs already: no build is taken or begun that could use it up."""

from __future__ import annotations

from sqlalchemy.orm import Session

from conda_store.builds.levels import of_deployment
from conda_store.errors import StorageFull
from conda_store.settings import Values
from conda_store.storage.base import Storage


def check_room(session: Session, storage: Storage, options: Values) -> None:
    """Raises `StorageFull` while fewer bytes are free than the setting `storage_threshold` wants."""
    threshold = of_deployment(session, options)["storage_threshold"]
    free = storage.free_bytes() if threshold else None
    if free is not None and free < threshold:
        raise StorageFull(
            f"The disk of the store has {free:,} bytes left, and no build is taken below {threshold:,} (setting "
            "storage_threshold): free some space, or let an administrator lower the setting."
        )
