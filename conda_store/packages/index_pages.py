"""Pages of package indexes with other links in them. Formats: PEP 503 (HTML), PEP 691 (JSON)."""

from __future__ import annotations

import json
from collections.abc import Callable
from html import escape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

_HTML = ("text/html", "application/vnd.pypi.simple.v1+html")
_JSON = "application/vnd.pypi.simple.v1+json"


def is_page(content_type: str) -> bool:
    """Whether an answer of this type is a page."""
    return content_type.partition(";")[0].strip().lower() in (*_HTML, _JSON)


def rewritten_page(response: Any, url: str, rewrite: Callable[[str], str]) -> bytes:
    """The page that `response` of `url` holds, with every link whole and rewritten; what is not http is left out."""
    if _JSON in response.headers["content-type"].lower():
        return _rewritten_json(response.content, url, rewrite)
    page = _Page(url, rewrite)
    page.feed(response.text)
    page.close()
    return f"<!DOCTYPE html><html><body>\n{''.join(page.parts)}</body></html>".encode()


def _rewritten_json(content: bytes, url: str, rewrite: Callable[[str], str]) -> bytes:
    document = json.loads(content)
    files = [file for file in document.get("files") or () if isinstance(file, dict)]
    whole = [{**file, "url": _whole(url, str(file.get("url", "")))} for file in files]
    document["files"] = [{**file, "url": rewrite(file["url"])} for file in whole if file["url"]]
    return json.dumps(document).encode()


def _whole(base: str, link: str) -> str:
    """The link with scheme and host and without user and password; "" for one that is not http."""
    try:
        parts = urlsplit(urljoin(base, link.strip()))
    except ValueError:
        return ""
    is_http = parts.scheme in ("http", "https") and bool(parts.netloc)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if is_http else ""


class _Page(HTMLParser):
    """Collects anchors, with all that they say of their file."""

    def __init__(self, url: str, rewrite: Callable[[str], str]) -> None:
        super().__init__()
        self.base, self.rewrite, self.parts = url, rewrite, list[str]()
        self._is_inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "base" and said.get("href"):
            self.base = urljoin(self.base, said["href"])
        if tag == "a" and (link := _whole(self.base, said.pop("href", ""))):
            words = {**said, "href": self.rewrite(link)}
            self.parts.append("<a " + " ".join(f'{name}="{escape(value)}"' for name, value in words.items()) + ">")
            self._is_inside = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self._is_inside:
            self.parts.append("</a><br>\n")
            self._is_inside = False

    def handle_data(self, data: str) -> None:
        if self._is_inside:
            self.parts.append(escape(data))
