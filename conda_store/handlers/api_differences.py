"""`api/v1/build/{build}/diff/{other}/`"""

from __future__ import annotations

from conda_store.differences import Difference
from conda_store.handlers.builds_in_paths import BuildHandler
from conda_store.handlers.verbs import describes, needs_permission
from conda_store.models import Answer


class BuildDifference(BuildHandler):
    """`build/{build}/diff/{other}/`"""

    other_id: int

    async def check(self, permission: str) -> None:
        """The right is needed on both."""
        self.other_id, _ = await self.find_build("other", permission)
        await super().check(permission)

    @needs_permission("environment::read")
    @describes(Answer[Difference])
    async def get(self, **_: str) -> None:
        """Compare two builds: what the second has that the first has not, and so on."""
        self.answer(await self.ask(self.parts.differences.between, self.build_id, self.other_id))
