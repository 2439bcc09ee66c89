"""`api/v1/build/…`: builds themselves. What they leave is `api_artifacts`, what happens in them `events`."""

from __future__ import annotations

from conda_store.handlers.base import ApiHandler
from conda_store.handlers.builds_in_paths import BuildHandler
from conda_store.handlers.verbs import describes, filtered, needs_permission
from conda_store.inputs import BuildQuery, PackageQuery
from conda_store.models import Acknowledgement, Answer, Build, BuildId, Package, Page


class Builds(ApiHandler):
    """`build/`"""

    @filtered("environment::read")
    @describes(Page[Build], query=BuildQuery)
    async def get(self) -> None:
        """List builds."""
        asked = self.queried(BuildQuery)
        self.send(await self.ask(self.parts.builds.page, self.identity, asked, self.parts.page_limit))


class OneBuild(BuildHandler):
    """`build/{build}/`"""

    @needs_permission("environment::read")
    @describes(Answer[Build])
    async def get(self, **_: str) -> None:
        """Show a build."""
        self.answer(await self.ask(self.parts.builds.get, self.build_id))

    @needs_permission("environment::update")
    @describes(Answer[BuildId])
    async def put(self, **_: str) -> None:
        """Build the same specification again."""
        build_id = await self.ask(self.parts.builds.rebuild, self.identity, self.build_id)
        self.answer(BuildId(build_id=build_id), "rebuild triggered")

    @needs_permission("build::delete")
    @describes(Acknowledgement)
    async def delete(self, **_: str) -> None:
        """Delete an ended build."""
        await self.ask(self.parts.builds.delete, self.actor, self.build_id)
        self.answer(None)


class CancelBuild(BuildHandler):
    """`build/{build}/cancel/`"""

    @needs_permission("build::cancel")
    @describes(Acknowledgement)
    async def put(self, **_: str) -> None:
        """Cancel a build that has not ended."""
        await self.ask(self.parts.builds.cancel, self.actor, self.build_id)
        self.answer(None, f"build {self.build_id} canceled")


class BuildPackages(BuildHandler):
    """`build/{build}/packages/`"""

    @needs_permission("environment::read")
    @describes(Page[Package], query=PackageQuery)
    async def get(self, **_: str) -> None:
        """List the packages of a build."""
        asked = self.queried(PackageQuery)
        self.send(await self.ask(self.parts.builds.packages, self.build_id, asked, self.parts.page_limit))
