"""What would become of a file, without building it: its problems at once, or its packages after a solve."""

from __future__ import annotations

from conda_store import inputs, models
from conda_store.auth.permissions import Identity
from conda_store.builds.lockfile import parse_lockfile
from conda_store.db import Database
from conda_store.errors import BadInput
from conda_store.managers.admission import SubmissionLimits
from conda_store.managers.policies import Policies
from conda_store.managers.proposals import Proposal, read_proposal
from conda_store.managers.solving import SolveManager


class CheckManager:
    """Reads files under the policy of the place that they are meant for."""

    def __init__(self, database: Database, policies: Policies, limits: SubmissionLimits, solves: SolveManager) -> None:
        self.database, self.policies, self.limits, self.solves = database, policies, limits, solves

    def check(self, identity: Identity, new: inputs.NewSpecification) -> models.Checked:
        """Everything that is wrong with it, with places. Raises `PermissionDenied` where it could not be built."""
        try:
            submission = self._read(identity, new).submission
        except BadInput as error:
            problems = [models.ProblemPlace.of(one) for one in error.problems]
            return models.Checked(name=None, problems=problems or [models.ProblemPlace(message=error.message)])
        warnings = [models.ProblemPlace.of(one) for one in submission.warnings]
        return models.Checked(name=submission.name, problems=[], warnings=warnings)

    def solve(self, identity: Identity, new: inputs.NewSpecification) -> models.Solution:
        """What would be installed on the first of its platforms; blocks until it is known.

        Raises what submitting raises, and `SolveFailed`, `FetchFailed`, `TooManySolves`.
        """
        proposal = self._read(identity, new)
        submission = proposal.submission
        identity.require("environment::solve", proposal.namespace, submission.name)
        if submission.is_lockfile:
            lock, _ = parse_lockfile(submission.source, default_name=submission.name)
            return self.solves.shown(next(iter(lock.platforms.values())))
        return self.solves.solve_specification(submission.source, proposal.policy, proposal.namespace)

    def _read(self, identity: Identity, new: inputs.NewSpecification) -> Proposal:
        return read_proposal(self.database, self.policies, self.limits, identity, new)
