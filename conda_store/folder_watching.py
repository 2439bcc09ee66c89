"""Watches folders and lets their namespace follow (`managers.folders`): at the start, after changes, now and then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing
from pathlib import Path

from traitlets import Bool, Float
from traitlets.config import LoggingConfigurable

from conda_store.errors import BadInput, CondaStoreError
from conda_store.managers.folders import FolderManager
from conda_store.service import Service

# What no change tells, such as a folder that has come back, is looked for this often, or as often as files may settle.
_LOOK_SECONDS, _SHORTEST_SECONDS = 1.0, 0.05


class FolderWatching(LoggingConfigurable):
    """How the folders of `c.CondaStore.watch_paths` are watched."""

    force_polling = Bool(
        False,
        help="Look at the files again and again instead of waiting to be told by the system. Network file systems (NFS "
        "and SMB) need it, since what another machine writes there is told to nobody.",
    ).tag(config=True)
    polling_seconds = Float(1.0, min=0.01, help="Seconds between two looks with force_polling.").tag(config=True)
    settle_seconds = Float(
        1.0,
        min=0,
        help="Seconds for which a file must stay as it is before it is taken, and stay away before its environment is "
        "deleted: it may still be being written, or moved. Where several servers share a network file system it must "
        "be longer than their file attributes are cached (NFS: 60 seconds).",
    ).tag(config=True)
    check_seconds = Float(
        60.0,
        min=1,
        help="Seconds after which all files are compared with all environments although nothing was told: for links to "
        "files elsewhere, environments that somebody changed or deleted, and builds that had to wait.",
    ).tag(config=True)

    def start(self, paths: Sequence[str], service: Service) -> None:
        """Watch `paths` until the service is closed. Raises `BadInput` for a path that is none."""
        if not paths:
            return
        parts = service.sites[0].parts
        folders = FolderManager(parts.builds, parts.environments, _absolute(paths), self.settle_seconds, self.log)
        text = "Watched files and folders with which something is wrong (the log says what)"
        parts.state.count("conda_store_watched_files_refused", text, folders.troubles)
        self.polling = self.force_polling
        self._ended = asyncio.Event()
        service.beside(self._follow(folders, service), self._ended.set)

    async def _follow(self, folders: FolderManager, service: Service) -> None:
        again, at = await self._reconcile(folders, service)
        while not self._ended.is_set():
            watched = await service.watcher.run(folders.folders)
            # What changed since the last pass, and before this watch has begun, is found by the first one.
            due = True
            async with aclosing(self._changes(folders, watched)) as changes:
                async for changed in changes:
                    if due or again or changed or time.monotonic() >= at + self.check_seconds:
                        again, at = await self._reconcile(folders, service)
                        due = False
                    if self._ended.is_set() or await service.watcher.run(folders.folders) != watched:
                        break

    async def _changes(self, folders: FolderManager, watched: Collection[Path]) -> AsyncGenerator[bool]:
        """Now, when something has happened in what is `watched`, and after some time: whether it concerns us."""
        yield False
        if not watched:
            await self._wait()
            return
        # Most servers watch nothing, and need not have it in memory.
        from watchfiles import awatch

        try:
            async for changes in awatch(
                *watched,
                watch_filter=None,
                stop_event=self._ended,
                rust_timeout=int(self._look_seconds * 1000),
                yield_on_timeout=True,
                force_polling=self.polling or None,
                poll_delay_ms=int(self.polling_seconds * 1000),
                recursive=False,
            ):
                yield any(folders.concerns(Path(path)) for _, path in changes)
        except FileNotFoundError:
            return  # one has gone in this moment
        except (OSError, RuntimeError) as error:
            text = "The folders %s cannot be watched (%s), so their files are looked at every %g seconds instead."
            self.log.warning(text, ", ".join(map(str, watched)), error, self.polling_seconds)
            self.polling = True
            await self._wait()

    @property
    def _look_seconds(self) -> float:
        return min(_LOOK_SECONDS, max(_SHORTEST_SECONDS, self.settle_seconds))

    async def _wait(self) -> None:
        try:
            await asyncio.wait_for(self._ended.wait(), self._look_seconds)
        except TimeoutError:
            return

    async def _reconcile(self, folders: FolderManager, service: Service) -> tuple[bool, float]:
        """One pass; whether another one is needed soon, and when this was."""
        again = False
        try:
            again = await service.watcher.call(folders.reconcile, self._ended.is_set)
            self._trouble = ""
        except Exception as error:
            # Nothing that goes wrong once may be the end of watching.
            if str(error) != getattr(self, "_trouble", ""):
                self._trouble = str(error)
                text = "The watched folders could not be compared with their namespace; it is tried again: %s"
                self.log.error(text, error, exc_info=None if isinstance(error, CondaStoreError) else error)
        return again, time.monotonic()


def _absolute(paths: Sequence[str]) -> list[Path]:
    found = [Path(path).expanduser().absolute() for path in paths if path.strip()]
    if len(found) < len(paths):
        raise BadInput("c.CondaStore.watch_paths: '' is no path. Leave it out, or name a folder.")
    return list(dict.fromkeys(found))
