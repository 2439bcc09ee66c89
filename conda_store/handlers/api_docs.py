"""`docs/`: the REST API on one page, from the document that describes it to programs."""

from __future__ import annotations

from conda_store.handlers.page import PageHandler
from conda_store.handlers.verbs import public


class ApiPage(PageHandler):
    """`docs/`"""

    @public
    def get(self) -> None:
        """Show every path with what it takes and gives."""
        self.page("api.html", document=self.application.settings["openapi"])
