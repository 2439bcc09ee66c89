"""`api/v1/specification/check/` and `api/v1/specification/solve/`: what would become of a file."""

from __future__ import annotations

from conda_store.handlers.base import ApiHandler
from conda_store.handlers.verbs import describes, needs_permission
from conda_store.inputs import NewSpecification
from conda_store.models import Answer, Checked, Solution


class CheckHandler(ApiHandler):
    """Where the environment would go stands in the body: the manager checks that; here, whether there is any place."""

    async def check(self, permission: str) -> None:
        """Raises `PermissionDenied` for whoever may do this nowhere."""
        if not self.identity.may_somewhere(permission):
            raise self.identity.refusal(permission)


class CheckSpecification(CheckHandler):
    """`specification/check/`"""

    @needs_permission("environment:create")
    @describes(Answer[Checked], body=NewSpecification)
    async def post(self) -> None:
        """Tell every problem of a specification or lockfile, and build nothing."""
        self.answer(await self.ask(self.parts.checks.check, self.identity, self.body(NewSpecification)))


class SolveSpecification(CheckHandler):
    """`specification/solve/`"""

    @needs_permission("environment::solve")
    @describes(Answer[Solution], body=NewSpecification)
    async def post(self) -> None:
        """Tell what would be installed on a file's first platform, and wait for it."""
        self.answer(await self.solved(self.parts.checks.solve, self.identity, self.body(NewSpecification)))
