"""What would become of a file, without building it: its problems at once, or its packages after a solve."""

from __future__ import annotations

from conda_store import inputs, models
from conda_store.auth.permissions import Identity
from conda_store.builds.lockfile import parse_lockfile
from conda_store.builds.policies import Policy
from conda_store.db import Database
from conda_store.errors import BadInput
from conda_store.managers.admission import SubmissionLimits
from conda_store.managers.homes import home_of
from conda_store.managers.namespaces import checked_name
from conda_store.managers.policies import Policies
from conda_store.managers.solving import SolveManager
from conda_store.managers.submitting import Submission, read_submission
from conda_store.registry.names import repository


class CheckManager:
    """Reads files under the policy of the place that they are meant for."""

    def __init__(self, database: Database, policies: Policies, limits: SubmissionLimits, solves: SolveManager) -> None:
        self.database, self.policies, self.limits, self.solves = database, policies, limits, solves

    def check(self, identity: Identity, new: inputs.NewSpecification) -> models.Checked:
        """Everything that is wrong with it, with places. Raises `PermissionDenied` where it could not be built."""
        try:
            _, submission, _ = self._read(identity, new)
        except BadInput as error:
            problems = [models.ProblemPlace.of(one) for one in error.problems]
            return models.Checked(name=None, problems=problems or [models.ProblemPlace(message=error.message)])
        warnings = [models.ProblemPlace.of(one) for one in submission.warnings]
        return models.Checked(name=submission.name, problems=[], warnings=warnings)

    def solve(self, identity: Identity, new: inputs.NewSpecification) -> models.Solution:
        """What would be installed on the first of its platforms; blocks until it is known.

        Raises what submitting raises, and `SolveFailed`, `FetchFailed`, `TooManySolves`.
        """
        namespace, submission, policy = self._read(identity, new)
        identity.require("environment::solve", namespace, submission.name)
        if submission.is_lockfile:
            lock, _ = parse_lockfile(submission.source, default_name=submission.name)
            return self.solves.shown(next(iter(lock.platforms.values())))
        return self.solves.solve_specification(submission.source, policy, namespace)

    def _read(self, identity: Identity, new: inputs.NewSpecification) -> tuple[str, Submission, Policy]:
        with self.database.read() as session:
            namespace = checked_name(new.namespace or home_of(session, identity, self.policies.options))
            # Before its rules are read: what is refused by them tells them.
            identity.require_within("environment:create", namespace)
            policy = self.policies.of(session, namespace, new)
        submission = read_submission(new, policy, self.limits)
        identity.require("environment:create", namespace, submission.name)
        repository(namespace, submission.name)  # raises for a name that its image could not have
        return namespace, submission, policy
