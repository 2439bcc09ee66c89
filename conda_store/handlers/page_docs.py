"""`/docs/`: the documentation, built by Sphinx into the package, and the REST API on one page."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from markupsafe import Markup
from tornado.web import HTTPError

from conda_store.handlers.page import PageHandler
from conda_store.handlers.verbs import public

_DOCUMENTS = resources.files("conda_store") / "documentation"


@dataclass(frozen=True)
class Document:
    """A document as fragments of HTML, which Sphinx made of ours."""

    title: str
    body: Markup
    contents: Markup


@lru_cache(64)
def find_document(name: str) -> Document | None:
    """By the name of its file, without the suffix; None when there is none."""
    found = _DOCUMENTS / f"{name}.json"
    if "/" in name or "." in name or not found.is_file():
        return None
    read = json.loads(found.read_text(encoding="utf-8"))
    contents = read["toc"] if read["display_toc"] else ""
    return Document(Markup(read["title"]).striptags(), Markup(read["body"]), Markup(contents))  # noqa: S704  ours


class DocumentPage(PageHandler):
    """`/docs/` and `/docs/{document}/`"""

    section = "docs"

    @public
    def get(self, document: str = "index") -> None:
        """A document in our frame."""
        found = find_document(document)
        if found is None:
            raise HTTPError(404)
        self.page("document.html", document=found, is_index=document == "index")


class ApiPage(PageHandler):
    """`/docs/api/`"""

    section = "docs"

    @public
    def get(self) -> None:
        """Show every path with what it takes and gives."""
        self.page("api.html", document=self.application.settings["openapi"])
