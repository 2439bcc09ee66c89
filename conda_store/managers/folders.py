"""Keeps a namespace equal to folders of YAML files: one pass compares all files with all environments.

A pass may be ended or killed anywhere, and others may make one at the same time: each step is one transaction that
looks again, and the next pass goes on from what it finds. What cannot be decided now changes nothing.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from conda_store.audit import Actor
from conda_store.builds.levels import of_deployment
from conda_store.builds.quotas import QuotaExceeded
from conda_store.db.errors import repeated
from conda_store.db.orm import EnvironmentRow
from conda_store.db.queries import find_environment
from conda_store.errors import BadInput, CondaStoreError
from conda_store.managers.builds import BuildManager, ensure_environment
from conda_store.managers.environments import EnvironmentManager, EnvironmentNotFound
from conda_store.managers.folder_files import Look, Patience, folder_of, identity_of, look_at
from conda_store.managers.folder_marks import (
    Kept,
    Origin,
    environments_in,
    identities,
    newest_content,
    origin_of,
    set_identities,
    set_origin,
    settings_state,
)
from conda_store.managers.folder_reading import Claim, FolderReader
from conda_store.managers.namespaces import checked_name
from conda_store.managers.submitting import Submission

#: Who asks for the builds of files, and deletes what has none any more.
WATCHER = Actor("watched folder", by="server")

_BARE = (
    "Nothing lies in it any more, as in a place where nothing is mounted: its environments stay until there is "
    "something. If they shall go, put any other file there, such as README."
)


@dataclass(frozen=True)
class _State:
    """What the database knows at the beginning of a pass."""

    namespace: str
    kept: dict[str, Kept]
    identities: dict[str, str]
    settings: tuple[str, ...]


@dataclass(frozen=True)
class _Files:
    """What the files say: by name of the environment; names that nobody may touch now; whether some are unfinished."""

    good: dict[str, tuple[Origin, Claim]]
    held_names: set[str]
    held_files: set[str]
    unfinished: bool


class FolderManager:
    """Reconciles `paths` (folders, or single files); a change has to stand for `seconds`. `log` hears of everything."""

    def __init__(
        self,
        builds: BuildManager,
        environments: EnvironmentManager,
        paths: Sequence[Path],
        seconds: float,
        log: logging.Logger | Any,
    ) -> None:
        self.builds, self.environments, self.paths, self.seconds, self.log = builds, environments, paths, seconds, log
        self.database = builds.database
        self.reader = FolderReader(builds.database, builds.policies, builds.limits)
        self._patience = Patience(seconds)
        self._missing: dict[int, float] = {}
        self._seen: dict[str, str] = {}
        self._told: dict[str, str] = {}

    def troubles(self) -> int:
        """Files and folders with which something is wrong now."""
        return len(self._told)

    def folders(self) -> dict[Path, str]:
        """The folders that have to be watched and are there, each with what tells it from another one at its place."""
        found = {folder: identity_of(folder) for folder in map(folder_of, self.paths)}
        return {folder: identity for folder, identity in found.items() if identity}

    def concerns(self, path: Path) -> bool:
        """Whether a change of this file can mean anything."""
        return path in self.paths or path.parent in self.paths

    def reconcile(self, stopped: Callable[[], bool] = lambda: False) -> bool:
        """One pass; whether another one is needed soon, since something is unfinished."""
        telling = dict[str, str]()
        state = self._state()
        seen = [look_at(path) for path in self.paths]
        looks = [look for look in seen if self._is_there(state, look, telling)]
        files = self._read(state, looks, telling, stopped)
        for _, (origin, claim) in sorted(files.good.items()):
            if stopped() or not self._keep(state, origin, claim, telling):
                break
        self.reader.settle([file for look in looks for file in look.files])
        self._note(state, seen, looks, files)
        waiting = self._remove(state, looks, files, stopped)
        self._tell(telling)
        return waiting or files.unfinished

    def _state(self) -> _State:
        with self.database.read() as session:
            settings = of_deployment(session, self.builds.policies.options)
            namespace = checked_name(settings["filesystem_namespace"])
            kept, known = environments_in(session, namespace), identities(session, namespace)
            return _State(namespace, kept, known, settings_state(session, namespace))

    def _is_there(self, state: _State, look: Look, telling: dict[str, str]) -> bool:
        """Whether a watched path can be believed; where a share is gone, nothing is there, or nothing can be seen."""
        has_any = any(kept.origin and kept.origin.root == look.root for kept in state.kept.values())
        # What was emptied while nobody looked may be another folder: file systems give numbers of old ones to new ones.
        is_same = state.identities.get(look.root) == look.identity == self._seen.get(look.root)
        bare = look.is_bare and has_any and not is_same
        fault = f"{look.fault}." if look.fault else _BARE if bare else None
        if fault:
            telling[look.root] = f"The watched path {look.root!r} is left alone, and so are its environments. {fault}"
        return fault is None

    def _note(self, state: _State, seen: Iterable[Look], looks: Sequence[Look], files: _Files) -> None:
        """Remember which folders were there: only what was emptied in its place has lost its files."""
        now = {look.root: look.identity if look in looks else "" for look in seen}
        self._seen = now
        changes = {root: one for root, one in now.items() if state.identities.get(root, "") != one}
        if changes and (state.kept or files.good):
            with self.database.write() as session:
                set_identities(session, state.namespace, changes)

    def _read(
        self, state: _State, looks: Iterable[Look], telling: dict[str, str], stopped: Callable[[], bool]
    ) -> _Files:
        origins = {file: Origin(look.root, str(file)) for look in looks for file in look.files}
        settled, unsettled = self._patience.split(list(origins))
        found: dict[str, list[tuple[Origin, Claim]]] = defaultdict(list)
        held_names, held_files = set[str](), {str(file) for file in unsettled}
        for file, signature in settled.items():
            if stopped():
                held_files.add(str(file))
                continue
            claim = self.reader.claim(state.namespace, file, signature, state.settings)
            if claim.fault is None:
                found[claim.name].append((origins[file], claim))
            else:
                held_names.add(claim.name)
                held_files.add(str(file))
                telling[str(file)] = f"The file {str(file)!r} is not taken. {claim.fault}"
        held_names |= self._contested(found, telling)
        good = {name: files[0] for name, files in found.items() if len(files) == 1}
        return _Files(good, held_names, held_files, bool(unsettled))

    @staticmethod
    def _contested(found: dict[str, list[tuple[Origin, Claim]]], telling: dict[str, str]) -> set[str]:
        """Names that several files have: none of them wins."""
        several = {name: files for name, files in found.items() if len(files) > 1}
        for name, files in several.items():
            listed = " and ".join(repr(origin.file) for origin, _ in files)
            telling[f"several {name}"] = (
                f"{listed} are all about the environment '{name}', so none of them is taken: give each a 'name:' of "
                "its own."
            )
        return set(several)

    def _keep(self, state: _State, origin: Origin, claim: Claim, telling: dict[str, str]) -> bool:
        """Let an environment be what its file says; False when nothing can be built now."""
        kept, file = state.kept.get(claim.name), Path(origin.file)
        if kept and kept.content == claim.content and (kept.origin in (None, origin)):
            return True
        try:
            submission = self.reader.take(state.namespace, file)
            if submission.name != claim.name:
                return True  # it has changed meanwhile: the next pass sees it
            build_id = repeated(partial(self._write, state.namespace, submission, origin))
        except BadInput as error:
            self.reader.refuse(file, claim, error.message)
            telling[str(file)] = f"The file {str(file)!r} is not taken. {error.message}"
            return True
        except QuotaExceeded as error:
            telling[str(file)] = f"The file {str(file)!r} has to wait. {error.message}"
            return True
        except CondaStoreError as error:
            # The disk, the queue, the database: like a quota, it is tried again at every pass.
            telling["later"] = f"The file {str(file)!r}, and what else is new, has to wait. {error.message}"
            return False
        if build_id is not None:
            self.log.info("Build %d makes %s/%s of %r.", build_id, state.namespace, submission.name, origin.file)
            self.builds.executor.submit(build_id)
        return True

    def _write(self, namespace: str, submission: Submission, origin: Origin) -> int | None:
        """One transaction: the number of the build, None where another process was faster or only the file moved."""
        build_id = None
        with self.database.write() as session:
            is_ours = find_environment(session, namespace, submission.name) is None
            environment = ensure_environment(session, WATCHER, namespace, submission)
            is_ours = is_ours or origin_of(session, environment) is not None
            if newest_content(session, environment) != (submission.sha256, submission.is_lockfile):
                build_id = self.builds.add(session, WATCHER, namespace, submission).id
            if is_ours:
                set_origin(session, environment, origin)
        return build_id

    def _remove(self, state: _State, looks: Sequence[Look], files: _Files, stopped: Callable[[], bool]) -> bool:
        """Delete environments whose files are gone for long enough; whether some are gone only since a moment."""
        roots, named = {look.root for look in looks}, files.held_names | files.good.keys()
        gone = [
            kept
            for kept in state.kept.values()
            if kept.origin
            and kept.origin.root in roots
            and kept.name not in named
            and kept.origin.file not in files.held_files
        ]
        now = time.monotonic()
        self._missing = {kept.id: self._missing.get(kept.id, now) for kept in gone}
        # A file that is being moved may be the one that is unfinished.
        due = [kept for kept in gone if now - self._missing[kept.id] >= self.seconds and not files.unfinished]
        for kept in due:
            if stopped():
                break
            self._delete(state.namespace, kept)
        return len(due) < len(gone)

    def _delete(self, namespace: str, kept: Kept) -> None:
        def wanted(session: Session, row: EnvironmentRow) -> bool:
            return row.id == kept.id and origin_of(session, row) == kept.origin

        try:
            self.environments.delete(WATCHER, namespace, kept.name, wanted=wanted)
        except EnvironmentNotFound:
            return
        self.log.info("%s/%s is deleted, since its file is gone.", namespace, kept.name)

    def _tell(self, telling: dict[str, str]) -> None:
        """Say what is wrong, once for as long as it is."""
        for key, text in telling.items():
            if self._told.get(key) != text:
                self.log.error("%s", text)
        self._told = telling
