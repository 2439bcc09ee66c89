"""`/build/{build}/`: a build, live and afterwards."""

from __future__ import annotations

from conda_store.handlers.builds_in_paths import BuildHandler
from conda_store.handlers.page import PageHandler
from conda_store.handlers.verbs import needs_permission

#: Characters of a specification on the page; all of it is a download.
_MOST_SHOWN = 20_000
_OFFERED = ("build::cancel", "build::delete", "environment::update", "environment:create")


#: What people call what a build leaves, by the name that programs know.
_WORDS = {
    "DIRECTORY": "installed environment",
    "LOCKFILE": "lockfile",
    "LOGS": "log",
    "YAML": "YAML",
    "CONDA_PACK": "archive (tar.gz)",
    "CONDA_PACK_ZST": "archive (tar.zst)",
    "DOCKER_MANIFEST": "image",
    "CONSTRUCTOR_INSTALLER": "installer",
    "SBOM": "bill of materials",
    "REFERRERS": "lockfile and bill of materials beside the image",
}


class BuildPage(PageHandler, BuildHandler):
    """`/build/{build}/`"""

    section = "environments"

    @needs_permission("environment::read")
    async def get(self, **_: str) -> None:
        """A build with its live log."""
        build = await self.ask(self.parts.builds.get, self.build_id)
        story = await self.ask(self.parts.stories.get, self.build_id)
        content = await self.ask(self.parts.artifacts.yaml, self.build_id)
        yaml = b"".join(content.chunks(0, content.size)).decode()
        namespace, name = self.entity
        may = {one: self.identity.may(one, namespace, name) for one in _OFFERED}
        shown = {"build": build, "story": story, "yaml": yaml[:_MOST_SHOWN], "may": may, "words": _WORDS}
        self.page("build.html", namespace=namespace, name=name, **shown)
