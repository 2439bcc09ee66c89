"""`/create/`: a file or a text becomes a build."""

from __future__ import annotations

from conda_store.errors import BadInput, CondaStoreError
from conda_store.handlers.page import PageHandler
from conda_store.handlers.verbs import needs_permission
from conda_store.inputs import NewSpecification


class CreatePage(PageHandler):
    """`/create/`"""

    section = "create"

    async def check(self, permission: str) -> None:
        """Where the environment goes stands in the form."""
        if not self.identity.may_somewhere(permission):
            raise self.identity.refusal(permission)

    @needs_permission("environment:create")
    def get(self) -> None:
        """The form."""
        self.page("create.html", text="", namespace=self.identity.primary_namespace, failure=None)

    @needs_permission("environment:create")
    async def post(self) -> None:
        """Build what the form holds; with an error the form comes back with all that was written."""
        self.check_form()
        text, namespace = self._text(), self.get_body_argument("namespace", "")
        try:
            new = NewSpecification(specification=text, namespace=namespace or None)
            started = await self.ask(self.parts.builds.submit, self.identity, new)
        except CondaStoreError as error:
            self.set_status(error.status)
            self.page("create.html", text=text, namespace=namespace, failure=error)
        else:
            self.see("build", started.build_id)

    def _text(self) -> str:
        """The file when one was chosen, else what was typed."""
        files = [file for file in self.request.files.get("file", []) if file.body]
        if not files:
            return self.get_body_argument("specification", "", strip=False)
        try:
            return files[0].body.decode()
        except UnicodeDecodeError as error:
            raise BadInput("The file is not UTF-8: save it with the encoding UTF-8.") from error
