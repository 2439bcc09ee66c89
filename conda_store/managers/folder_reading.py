"""What the files of watched folders say: read once, and again when they, or the settings that refused them, change."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from conda_store.builds.lockfile import is_lockfile, parse_lockfile
from conda_store.db import Database
from conda_store.errors import BadInput, CondaStoreError, Problem, SpecificationInvalid
from conda_store.inputs import NewSpecification
from conda_store.managers.admission import SubmissionLimits
from conda_store.managers.folder_files import Signature, read_file, stem_of
from conda_store.managers.folder_marks import Content
from conda_store.managers.policies import Policies
from conda_store.managers.submitting import Submission, read_submission
from conda_store.registry.names import repository
from conda_store.specification import read_draft
from conda_store.specification_grammar import name_fault
from conda_store.yaml_marks import decode


@dataclass(frozen=True)
class Claim:
    """What a file says: the environment that it is about, and its content; or why it cannot be taken (`fault`)."""

    name: str
    content: Content | None = None
    fault: str | None = None


@dataclass(frozen=True)
class _Known:
    signature: Signature
    settings: tuple[str, ...]
    claim: Claim


class FolderReader:
    """Reads files as if somebody had posted them to a namespace."""

    def __init__(self, database: Database, policies: Policies, limits: SubmissionLimits) -> None:
        self.database, self.policies, self.limits = database, policies, limits
        self._most = max(limits.specification_bytes, limits.lockfile_bytes)
        self._known: dict[Path, _Known] = {}
        self._fresh: dict[Path, Submission] = {}

    def claim(self, namespace: str, path: Path, signature: Signature, settings: tuple[str, ...]) -> Claim:
        """What a file says; `settings` are those that decide whether it is taken."""
        known = self._known.get(path)
        if known is None or known.signature != signature or (known.claim.fault and known.settings != settings):
            known = self._known[path] = _Known(signature, settings, self._read(namespace, path))
        return known.claim

    def refuse(self, path: Path, claim: Claim, fault: str) -> None:
        """Do not try a file again before it or a setting has changed."""
        known = self._known[path]
        self._known[path] = _Known(known.signature, known.settings, Claim(claim.name, fault=fault))

    def take(self, namespace: str, path: Path) -> Submission:
        """All that a file says, to be built. Raises what is wrong with it."""
        fresh = self._fresh.pop(path, None)
        return fresh or self._submission(namespace, path)[1]

    def settle(self, files: Collection[Path]) -> None:
        """Forget files that are gone, and texts that nobody took."""
        self._fresh.clear()
        for path in self._known.keys() - set(files):
            del self._known[path]

    def _read(self, namespace: str, path: Path) -> Claim:
        self._fresh.pop(path, None)
        try:
            name, submission = self._submission(namespace, path)
        except BadInput as error:
            return Claim(self._name_in(path), fault=error.message)
        self._fresh[path] = submission
        return Claim(name, (submission.sha256, submission.is_lockfile))

    def _submission(self, namespace: str, path: Path) -> tuple[str, Submission]:
        text = decode(read_file(path, self._most), self._most)
        new = NewSpecification(specification=text, namespace=namespace, environment_name=_default_name(path, text))
        with self.database.read() as session:
            policy = self.policies.of(session, namespace, new)
        submission = read_submission(new, policy, self.limits)
        repository(namespace, submission.name)  # raises for a name that its image could not have
        return submission.name, submission

    def _name_in(self, path: Path) -> str:
        """The environment that a file is about which cannot be taken, as far as it can be told."""
        try:
            return read_draft(read_file(path, self._most)).name or stem_of(path)
        except CondaStoreError:
            return stem_of(path)


def _default_name(path: Path, text: str) -> str | None:
    """The name that the file itself gives is what counts; None leaves it to whoever reads the text."""
    stem = stem_of(path)
    if is_lockfile(text):
        return parse_lockfile(text, default_name=stem)[1].name
    if read_draft(text).name is not None:
        return None
    if (fault := name_fault(stem)) and "\nname:" not in f"\n{text}":
        raise SpecificationInvalid([Problem(f"It has no 'name:', and cannot be called as the file: {fault}")])
    return None if fault else stem
