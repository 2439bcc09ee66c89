"""`/build/{build}/`: a build, live and afterwards."""

from __future__ import annotations

from conda_store.handlers.builds_in_paths import BuildHandler
from conda_store.handlers.page import PageHandler
from conda_store.handlers.verbs import needs_permission

#: Characters of a specification on the page; all of it is a download.
_MOST_SHOWN = 20_000
_OFFERED = ("build::cancel", "build::delete", "environment::update")


class BuildPage(PageHandler, BuildHandler):
    """`/build/{build}/`"""

    @needs_permission("environment::read")
    async def get(self, **_: str) -> None:
        """A build with its live log."""
        build = await self.ask(self.parts.builds.get, self.build_id)
        story = await self.ask(self.parts.stories.get, self.build_id)
        content = await self.ask(self.parts.artifacts.yaml, self.build_id)
        yaml = b"".join(content.chunks(0, content.size)).decode()
        namespace, name = self.entity
        may = {one: self.identity.may(one, namespace, name) for one in _OFFERED}
        shown = {"build": build, "story": story, "yaml": yaml[:_MOST_SHOWN], "may": may}
        self.page("build.html", namespace=namespace, name=name, **shown)
