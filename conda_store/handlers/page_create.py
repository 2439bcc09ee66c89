"""`/create/` and `/environment/{namespace}/{name}/edit/`: a file or a text becomes a build."""

from __future__ import annotations

from typing import Any

from conda_store.errors import BadInput, CondaStoreError
from conda_store.handlers.page import PageHandler
from conda_store.handlers.verbs import needs_permission
from conda_store.inputs import NewSpecification
from conda_store.managers.builds import BuildNotFound
from conda_store.models import Checked, Solution


class SpecificationForm(PageHandler):
    """A page with the form in which a specification is written."""

    section = "create"

    async def show(self, text: str, namespace: str, name: str | None = None, **values: Any) -> None:
        """The form; `name` is that of the environment whose new build is written."""
        namespaces = await self.ask(self.parts.overview.writable, self.identity)
        known = {"failure": None, "checked": None, "solution": None, "is_fresh": False, "typed_name": ""} | values
        may = {one: self.identity.may(one, namespace, name or "*") for one in ("environment::update",)}
        # Only whoever may make any namespace writes one; the others choose among theirs.
        is_free = self.identity.may("namespace::create", "*", "*")
        places = {"namespace": namespace, "name": name, "namespaces": namespaces, "may": may, "is_free": is_free}
        self.page("create.html", text=text, **places, **known)


class CreatePage(SpecificationForm):
    """`/create/`"""

    async def check(self, permission: str) -> None:
        """Where the environment goes stands in the form."""
        if not self.identity.may_somewhere(permission):
            raise self.identity.refusal(permission)

    @needs_permission("environment:create")
    async def get(self) -> None:
        """The form."""
        home = await self.ask(self.parts.settings.home, self.identity)
        await self.show("", self.get_query_argument("namespace", home), is_fresh=True)

    @needs_permission("environment:create")
    async def post(self) -> None:
        """Build or check what the form holds; with an error the form comes back with all that was written."""
        self.check_form()
        text, place = self._text(), self.get_body_argument("namespace", "")
        name = self.get_body_argument("environment_name", "") or None
        # What is edited has its name; who creates may write one, since lockfiles of other programs have none.
        typed = self.get_body_argument("name", "")
        try:
            new = NewSpecification(specification=text, namespace=place or None, environment_name=name or typed or None)
            if self.get_body_argument("wanted", "build") == "check":
                await self._check(new, place, name, typed)
                return
            started = await self.ask(self.parts.builds.submit, self.identity, new)
        except CondaStoreError as error:
            self.set_status(error.status)
            await self.show(text, place, name, failure=error, typed_name=typed)
        else:
            self.see("build", started.build_id)

    async def _check(self, new: NewSpecification, place: str, name: str | None, typed: str) -> None:
        """What would be installed, or why nothing would."""
        checked: Checked = await self.ask(self.parts.checks.check, self.identity, new)
        solution: Solution | None = None
        failure: BadInput | None = None
        if not checked.problems:
            try:
                solution = await self.solved(self.parts.checks.solve, self.identity, new)
            except BadInput as error:
                # That nothing fits is what the check found, and no mistake of the request.
                failure = error
        found = {"checked": checked, "solution": solution, "failure": failure, "typed_name": typed}
        await self.show(new.specification, place, name, **found)

    def _text(self) -> str:
        """The file when one was chosen, else what was typed."""
        files = [file for file in self.request.files.get("file", []) if file.body]
        if not files:
            # Browsers send line ends as CRLF, whatever was typed.
            return self.get_body_argument("specification", "", strip=False).replace("\r\n", "\n")
        try:
            return files[0].body.decode()
        except UnicodeDecodeError as error:
            raise BadInput("The file is not UTF-8: save it with the encoding UTF-8.") from error


class EditPage(SpecificationForm):
    """`/environment/{namespace}/{name}/edit/`"""

    section = "environments"

    @needs_permission("environment:create")
    async def get(self, namespace: str, name: str) -> None:
        """The form with the specification of the current build in it, or of the one that the address names; empty when
        no build is left."""
        build_id = await self.ask(self.parts.environments.current_build_id, namespace, name)
        if self.get_query_argument("build", ""):
            build_id = self.form_number("build")
            await self._check_belongs(build_id, namespace, name)
        await self.show(await self._yaml(build_id) if build_id else "", namespace, name)

    async def _yaml(self, build_id: int) -> str:
        content = await self.ask(self.parts.artifacts.yaml, build_id)
        return b"".join(content.chunks(0, content.size)).decode()

    async def _check_belongs(self, build_id: int, namespace: str, name: str) -> None:
        if await self.ask(self.parts.builds.entity, build_id) != (namespace, name):
            raise BuildNotFound(f"'{namespace}/{name}' has no build {build_id}.")
