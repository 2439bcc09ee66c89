"""`/` and `/environment/{namespace}/{name}/`: all environments that one may see, and one of them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

from conda_store.handlers.page import PageHandler
from conda_store.handlers.verbs import filtered, needs_permission
from conda_store.inputs import OverviewQuery, PackageQuery
from conda_store.managers.artifacts import ArtifactMissing
from conda_store.models import Image, Package, Page

_OFFERED = (
    "setting::read",
    "environment::update",
    "environment:create",
    "environment::delete",
    "build::delete",
    "environment::solve",
)


class EnvironmentsPage(PageHandler):
    """`/`"""

    section = "environments"

    @filtered("environment::read")
    async def get(self) -> None:
        """List environments, each with its shortcuts."""
        asked = self.queried(OverviewQuery)
        found = await self.ask(self.parts.overview.page, self.identity, asked)
        kept = asked.model_dump(exclude={"page"}, exclude_none=True, exclude_defaults=True)
        may_create = self.identity.may_somewhere("environment:create")
        self.page("environments.html", found=found, asked=asked, query=urlencode(kept), may_create=may_create)


class EnvironmentHandler(PageHandler):
    """A page about one environment."""

    section = "environments"

    async def show(self, template: str, namespace: str, name: str, **values: Any) -> None:
        """Answer with a page of the environment, which offers what the caller may do there."""
        environment = await self.ask(self.parts.environments.get, namespace, name)
        may = {one: self.identity.may(one, namespace, name) for one in _OFFERED}
        self.page(template, environment=environment, namespace=namespace, name=name, may=may, **values)


class EnvironmentPage(EnvironmentHandler):
    """`/environment/{namespace}/{name}/`"""

    @needs_permission("environment::read")
    async def get(self, namespace: str, name: str) -> None:
        """What it is, how to use it, what is in it, and its builds."""
        asked = self.queried(PackageQuery)
        history = await self.ask(self.parts.overview.history, namespace, name)
        build_id = await self.ask(self.parts.environments.current_build_id, namespace, name)
        packages: Page[Package] = await self.ask(self.parts.builds.packages, build_id, asked, 100)
        image = await self._image(build_id) if build_id else None
        kernel = self.parts.overview.kernel(namespace, name)
        found = {"history": history, "packages": packages, "image": image, "kernel": kernel, "asked": asked}
        await self.show("environment.html", namespace, name, **found)

    async def _image(self, build_id: int) -> Image | None:
        with suppress(ArtifactMissing):
            image: Image = await self.ask(self.parts.artifacts.image, build_id, self.image_host)
            return image
        return None


class EnvironmentBuilds(EnvironmentHandler):
    """`/environment/{namespace}/{name}/builds/`"""

    @needs_permission("environment::read")
    async def get(self, namespace: str, name: str) -> None:
        """All builds, by page."""
        history = await self.ask(self.parts.overview.history, namespace, name, self.queried(PackageQuery).page)
        await self.show("builds.html", namespace, name, history=history)


class EnvironmentAccess(EnvironmentHandler):
    """`/environment/{namespace}/{name}/access/`"""

    @needs_permission("environment::update")
    async def get(self, namespace: str, name: str) -> None:
        """Who has which role here, and why: what the engine would decide."""
        people = await self.ask(self.parts.access.people, namespace, name)
        tokens = await self.parts.access.tokens(namespace, name)
        await self.show("access.html", namespace, name, rules=[*people, *tokens])
