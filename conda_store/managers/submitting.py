"""From what a client posts to what the database keeps of it; every problem of a file in one answer."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import yaml

from conda_store.builds.lockfile import is_lockfile, parse_lockfile
from conda_store.builds.policies import Policy
from conda_store.errors import Problem, SpecificationInvalid
from conda_store.inputs import NewSpecification
from conda_store.managers.admission import SubmissionLimits
from conda_store.packages.submission import read_specification
from conda_store.specification_grammar import name_fault

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Submission:
    """A specification or lockfile that may be built, as the columns of its row."""

    name: str
    sha256: str
    spec: dict[str, Any]
    source: str
    is_lockfile: bool
    description: str
    warnings: tuple[Problem, ...] = ()


def read_submission(new: NewSpecification, policy: Policy, limits: SubmissionLimits) -> Submission:
    """Check what was posted. Raises `SpecificationInvalid` with all its problems, `PolicyRefused`."""
    if new.environment_name and (fault := name_fault(new.environment_name)):
        raise SpecificationInvalid([Problem(fault, path="environment_name")])
    locked = new.is_lockfile or is_lockfile(new.specification)
    limits.check_size(new.specification, is_lockfile=locked)
    return _read_lockfile(new, policy) if locked else _read_specification(new, policy)


def _read_specification(new: NewSpecification, policy: Policy) -> Submission:
    name = new.environment_name or None
    parsed = read_specification(new.specification, policy.channels, default_name=name, packages=policy.packages)
    specification, source = parsed.specification, new.specification
    if new.platforms:
        if faults := policy.packages.check_platforms(new.platforms):
            raise SpecificationInvalid(faults)
        specification = replace(specification, platforms=tuple(new.platforms))
        source = specification.to_yaml()
    return Submission(
        name=specification.name,
        sha256=specification.sha256,
        spec=specification.as_dict(),
        source=source,
        is_lockfile=False,
        description=_first(new.environment_description, specification.description),
        warnings=parsed.warnings,
    )


def _read_lockfile(new: NewSpecification, policy: Policy) -> Submission:
    if new.platforms:
        fault = "A lockfile says itself for which platforms it is: leave 'platforms' out."
        raise SpecificationInvalid([Problem(fault, path="platforms")])
    lock, specification = parse_lockfile(
        new.specification,
        policy=policy.channels,
        default_name=new.environment_name or None,
        check_wheel_url=partial(policy.channels.check_url, kind="wheel"),
    )
    policy.packages.check_lock(lock, specification)
    name = new.environment_name or specification.name
    description = _first(new.environment_description, specification.description)
    # Name and description are part of what is shown, so they are part of what makes two rows equal.
    identity = json.dumps([name, description, new.specification])
    return Submission(
        name=name,
        sha256=hashlib.sha256(identity.encode()).hexdigest(),
        spec={"name": name, "description": description, "lockfile": document_of(new.specification)},
        source=new.specification,
        is_lockfile=True,
        description=description,
    )


def document_of(lockfile: str) -> Any:
    """What a lockfile says, as JSON types only; the text was checked before."""
    try:
        return json.loads(lockfile)
    except ValueError:
        # The checked reader saw the same text: no tags, aliases within bounds. Dates become texts again.
        document = yaml.load(lockfile.removeprefix("\ufeff"), Loader=_Loader)  # noqa: S506
        return json.loads(json.dumps(document, default=str))


def _first(*texts: str | None) -> str:
    return next((text for text in texts if text), "")
