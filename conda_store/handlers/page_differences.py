"""`/build/{build}/diff/{other}/`: what changed between two builds."""

from __future__ import annotations

from conda_store.builds.states import Status
from conda_store.handlers.builds_in_paths import BuildHandler
from conda_store.handlers.page import PageHandler
from conda_store.handlers.verbs import needs_permission


class DifferencePage(PageHandler, BuildHandler):
    """`/build/{build}/diff/{other}/`"""

    section = "environments"
    other_id: int

    async def check(self, permission: str) -> None:
        """The right is needed on both."""
        self.other_id, _ = await self.find_build("other", permission)
        await super().check(permission)

    @needs_permission("environment::read")
    async def get(self, **_: str) -> None:
        """Compare two builds."""
        found = await self.ask(self.parts.differences.between, self.build_id, self.other_id)
        numbers = {"build_id": self.build_id, "other_id": self.other_id}
        builds = [await self.ask(self.parts.builds.get, number) for number in numbers.values()]
        unbuilt = [one for one in builds if one.status != Status.COMPLETED]
        namespace, name = self.entity
        self.page("difference.html", found=found, unbuilt=unbuilt, namespace=namespace, name=name, **numbers)
