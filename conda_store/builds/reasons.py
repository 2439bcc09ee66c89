"""Why a build or an artifact failed, in words for the user; what they cannot use goes to the server's log."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from errno import EDQUOT, ENOSPC, EROFS
from pathlib import Path

from conda_store.builds.limits import way_out
from conda_store.errors import CondaStoreError, StorageFull

TOO_MUCH_MEMORY = f"It needed more memory than a build may have here. {way_out('max_memory_bytes')}"

# What rattler, uv and a compiling python meet reaches us as text only, whatever they say besides.
_NO_ROOM = re.compile("|".join(re.escape(os.strerror(number)) for number in (ENOSPC, EDQUOT, EROFS)))
_WAY_OUT = "Look at the disk of {directory}: when it has room and can be written, build again."

_logger = logging.getLogger(__name__)


def reason_of(error: BaseException, directory: Path) -> str:
    """What to tell of a failure in a build whose files lie below `directory`."""
    if is_lack_of_memory(error):
        return TOO_MUCH_MEMORY
    if isinstance(error, StorageFull):
        return error.message
    if lack := next((match[0] for one in _chain(error) if (match := _NO_ROOM.search(str(one)))), None):
        message = error.message if isinstance(error, CondaStoreError) else f"{lack}."
        return f"{message} {_WAY_OUT.format(directory=directory)}"
    if isinstance(error, CondaStoreError):
        return error.message
    _logger.error("An unforeseen failure in a build", exc_info=error)
    return (
        f"Something went wrong inside of conda-store ({type(error).__name__}), which is not your fault. "
        "The server's log says more to an administrator."
    )


def is_lack_of_memory(error: BaseException) -> bool:
    """Whether memory ran out. For a thread's stack Python says so in words only (`Modules/_threadmodule.c`)."""
    return isinstance(error, MemoryError) or str(error) == "can't start new thread"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it came from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
