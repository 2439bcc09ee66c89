"""`/build/{build}/`: a build, live and afterwards."""

from __future__ import annotations

from conda_store.handlers.builds_in_paths import BuildHandler
from conda_store.handlers.page import PageHandler
from conda_store.handlers.verbs import needs_permission


class BuildPage(PageHandler, BuildHandler):
    """`/build/{build}/`"""

    @needs_permission("environment::read")
    async def get(self, **_: str) -> None:
        """A build with its live log."""
        build = await self.ask(self.parts.builds.get, self.build_id)
        namespace, name = self.entity
        self.page("build.html", build=build, namespace=namespace, name=name)
