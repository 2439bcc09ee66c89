"""`api/v1/specification/`"""

from __future__ import annotations

from conda_store.handlers.base import ApiHandler
from conda_store.handlers.verbs import describes, needs_permission
from conda_store.inputs import NewSpecification, SolveQuery
from conda_store.models import Answer, Solution, Submitted


class Specifications(ApiHandler):
    """`specification/`"""

    async def check(self, permission: str) -> None:
        """Where the environment goes stands in the body: the manager checks that; here, whether there is any place."""
        if not self.identity.may_somewhere(permission):
            raise self.identity.refusal(permission)

    @needs_permission("environment::solve")
    @describes(Solution, query=SolveQuery)
    async def get(self) -> None:
        """Solve without building anything, and wait for it."""
        asked = self.queried(SolveQuery)
        self.send(await self.solved(self.parts.solves.solve, asked))

    @needs_permission("environment:create")
    @describes(Answer[Submitted], body=NewSpecification)
    async def post(self) -> None:
        """Build a specification or lockfile."""
        self.answer(await self.ask(self.parts.builds.submit, self.identity, self.body(NewSpecification)))
