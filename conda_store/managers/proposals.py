"""What somebody wants to have built, read under the rules of the place that it is meant for."""

from __future__ import annotations

from dataclasses import dataclass

from conda_store import inputs
from conda_store.auth.permissions import Identity
from conda_store.builds.policies import Policy
from conda_store.db import Database
from conda_store.managers.admission import SubmissionLimits
from conda_store.managers.homes import home_of
from conda_store.managers.namespaces import checked_name
from conda_store.managers.policies import Policies
from conda_store.managers.submitting import Submission, read_submission
from conda_store.registry.names import repository


@dataclass(frozen=True)
class Proposal:
    """A submission that its author may build in `namespace`, under `policy`."""

    namespace: str
    submission: Submission
    policy: Policy


def read_proposal(
    database: Database, policies: Policies, limits: SubmissionLimits, identity: Identity, new: inputs.NewSpecification
) -> Proposal:
    """Raises `PermissionDenied`, `SpecificationInvalid` with all its problems, `PolicyRefused`."""
    with database.read() as session:
        namespace = checked_name(new.namespace or home_of(session, identity, policies.options))
        # Before its rules are read: what is refused by them tells them.
        identity.require_within("environment:create", namespace)
        policy = policies.of(session, namespace, new)
    submission = read_submission(new, policy, limits)
    identity.require("environment:create", namespace, submission.name)
    repository(namespace, submission.name)  # raises for a name that its image could not have
    return Proposal(namespace, submission, policy)
