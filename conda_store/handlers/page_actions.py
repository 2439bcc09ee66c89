"""Forms that change an environment or a build: each has an address, a verb and a permission of its own."""

from __future__ import annotations

from conda_store.errors import BadInput
from conda_store.handlers.builds_in_paths import BuildHandler
from conda_store.handlers.page import PageHandler
from conda_store.handlers.verbs import needs_permission
from conda_store.inputs import EnvironmentChange


class NotConfirmed(BadInput):
    """A deletion whose name was not typed as it should be."""

    code = "not_confirmed"


class FormHandler(PageHandler):
    """A handler of forms that only our own pages send."""

    section = "environments"

    async def prepare(self) -> None:
        """After the right, and before anything is read."""
        await super().prepare()
        if self.request.method == "POST":
            self.check_form()

    def confirm(self, expected: str) -> None:
        """Raises `NotConfirmed` unless the form says what is to be deleted."""
        if self.get_body_argument("confirmation", "") != expected:
            raise NotConfirmed(f"Nothing was deleted: type '{expected}' to confirm that this is what you mean.")


class MakeCurrent(FormHandler):
    """`/environment/{namespace}/{name}/current/`"""

    @needs_permission("environment::update")
    async def post(self, namespace: str, name: str) -> None:
        """Let another build be the current one."""
        wanted = EnvironmentChange(build_id=self.form_number("build"))
        await self.ask(self.parts.environments.change, self.actor, namespace, name, wanted)
        self.see("environment", namespace, name)


class Describe(FormHandler):
    """`/environment/{namespace}/{name}/description/`"""

    @needs_permission("environment::update")
    async def post(self, namespace: str, name: str) -> None:
        """Change what it says of itself."""
        wanted = EnvironmentChange(description=self.get_body_argument("description", ""))
        await self.ask(self.parts.environments.change, self.actor, namespace, name, wanted)
        self.see("environment", namespace, name)


class DeleteEnvironment(FormHandler):
    """`/environment/{namespace}/{name}/delete/`"""

    @needs_permission("environment::delete")
    async def get(self, namespace: str, name: str) -> None:
        """Ask whether that is meant."""
        await self.ask(self.parts.environments.get, namespace, name)
        what, back = f"{namespace}/{name}", self.parts.places.url("environment", namespace, name)
        self.page("delete.html", what=what, expected=name, back=back, kind="environment")

    @needs_permission("environment::delete")
    async def post(self, namespace: str, name: str) -> None:
        """Delete it."""
        self.confirm(name)
        await self.ask(self.parts.environments.delete, self.actor, namespace, name)
        self.see()


class Compare(FormHandler):
    """`/environment/{namespace}/{name}/compare/`"""

    @needs_permission("environment::read")
    def get(self, namespace: str, name: str) -> None:
        """To the page of the difference between two builds."""
        self.see("build", self.form_number("from"), "diff", self.form_number("to"))


class Rebuild(FormHandler, BuildHandler):
    """`/build/{build}/rebuild/`"""

    @needs_permission("environment::update")
    async def post(self, **_: str) -> None:
        """Build the same specification again."""
        self.see("build", await self.ask(self.parts.builds.rebuild, self.identity, self.build_id))


class CancelBuild(FormHandler, BuildHandler):
    """`/build/{build}/cancel/`"""

    @needs_permission("build::cancel")
    async def post(self, **_: str) -> None:
        """Cancel a build that has not ended."""
        await self.ask(self.parts.builds.cancel, self.actor, self.build_id)
        self.see("build", self.build_id)


class DeleteBuild(FormHandler, BuildHandler):
    """`/build/{build}/delete/`"""

    @needs_permission("build::delete")
    async def get(self, **_: str) -> None:
        """Ask whether that is meant."""
        await self.ask(self.parts.builds.get, self.build_id)
        what = f"build {self.build_id} of {'/'.join(self.entity)}"
        back = self.parts.places.url("build", self.build_id)
        self.page("delete.html", what=what, expected=str(self.build_id), back=back, kind="build")

    @needs_permission("build::delete")
    async def post(self, **_: str) -> None:
        """Delete it."""
        self.confirm(str(self.build_id))
        await self.ask(self.parts.builds.delete, self.actor, self.build_id)
        self.see("environment", *self.entity)
