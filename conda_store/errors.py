"""What can go wrong, in words that are safe and useful to the reader.

An error says what it is (`code`), how HTTP would say it (`status`) and, where the culprit stands in a
file, where (`problems`). Nothing here knows HTTP, a database or a package manager.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with an input: what, and where.

    `line` and `column` count from 1 and are None where the input has no lines;
    `path` is the place in the document, such as `dependencies[3].pip[0]`.
    """

    message: str
    line: int | None = None
    column: int | None = None
    path: str | None = None

    def __str__(self) -> str:
        if self.line is None:
            return self.message
        return f"line {self.line}, column {self.column}: {self.message}"


class CondaStoreError(Exception):
    """Base of all errors that a user may see. The message names the culprit and the way out."""

    status = 500
    code = "internal_error"
    #: That of the command which ends with this error (docs/command-line.md).
    exit_status = 1

    def __init__(self, message: str, problems: Iterable[Problem] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.problems = tuple(problems)


class BadInput(CondaStoreError):
    """The request itself is wrong; sending it again changes nothing."""

    status = 400
    code = "bad_input"


class SpecificationInvalid(BadInput):
    """A specification or lockfile with one or more problems; every problem found is listed."""

    code = "specification_invalid"

    def __init__(self, problems: Iterable[Problem], subject: str = "specification") -> None:
        found = tuple(problems)
        head = f"The {subject} has {'a problem' if len(found) == 1 else f'{len(found)} problems'}"
        super().__init__("\n".join([f"{head}:", *(f"  {problem}" for problem in found)]), found)


class PolicyRefused(BadInput):
    """Well-formed, but a rule of this deployment (channels, packages, sizes) forbids it."""

    code = "policy_refused"


class SolveFailed(BadInput):
    """No set of packages satisfies the specification; the message names the conflict."""

    code = "solve_failed"


class PackageRefused(CondaStoreError):
    """A package whose content could harm the machine or contradicts another package; nothing was linked."""

    status = 400
    code = "package_refused"


class FetchFailed(CondaStoreError):
    """A package, wheel, channel index or base image could not be fetched."""

    status = 503
    code = "fetch_failed"


class DigestMismatch(CondaStoreError):
    """Bytes that do not have the digest under which they were asked for."""

    status = 502
    code = "digest_mismatch"


class BaseImageMissing(CondaStoreError):
    """No base image for a platform."""

    status = 400
    code = "base_image_missing"


class StorageFull(CondaStoreError):
    """The disk under the store is full, or the store cannot be written; nothing that was there is lost."""

    status = 503
    code = "storage_full"


class StorageReadOnly(StorageFull):
    """What has to be written can only be read."""

    code = "storage_read_only"


class ExtraMissing(CondaStoreError):
    """A command whose optional dependencies are not installed; the message names the extra."""

    status = 500
    code = "extra_missing"
