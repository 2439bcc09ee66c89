"""One line of a pip section: its normal form, and what is wrong with it.

The grammar is that of packaging's `Requirement` (PyPA "Dependency specifiers"). Options, URLs and paths, which
only pip's own requirements files know, are recognised so that they can be refused by name or let through.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from conda_store.specification_grammar import redact

_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:(//|[^:])|^(git|hg|svn|bzr)\+", re.IGNORECASE)
_ARCHIVE = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tar.xz")
_OPTION = re.compile(r"(^|\s)(-[A-Za-z]|--[A-Za-z][A-Za-z-]*)")
_ASK = "An administrator can allow it."


def normal_requirement(text: str) -> str:
    """The same requirement in the one spelling that equal ones share; other text with its white space folded."""
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return " ".join(text.split())
    requirement.name = canonicalize_name(requirement.name)
    requirement.extras = {canonicalize_name(extra) for extra in requirement.extras}
    return str(requirement)


def requirement_name(text: str) -> str:
    """The normal name of what is required; of what is no requirement all of it."""
    try:
        return canonicalize_name(Requirement(text).name)
    except InvalidRequirement:
        return text


def direct_url(text: str) -> str | None:
    """The URL or path from which an entry would be fetched, or None when it is looked up by its name."""
    try:
        return Requirement(text).url
    except InvalidRequirement:
        stripped = text.strip()
        return stripped if _is_path(stripped) or _URL.match(stripped) else None


class IndexOption(NamedTuple):
    """A package index that a pip section names, instead of the default one or besides."""

    url: str
    is_default: bool


def index_option(text: str) -> IndexOption | None:
    """The index in `--index-url URL` (`-i`) or `--extra-index-url URL`; None for any other entry."""
    found = re.fullmatch(r"(-i|--index-url|--extra-index-url)(?:\s+|=)(\S+)", text.strip())
    return IndexOption(found[2], found[1] != "--extra-index-url") if found else None


def requirement_fault(text: str, *, allow_urls: bool, allow_options: bool, allow_indexes: bool = False) -> str | None:
    """Why an entry of a pip section cannot be taken, with the way out; None when it can."""
    if allow_indexes and index_option(text):
        return None
    fault = _fault(text.strip(), allow_urls, allow_options)
    return redact(fault) if fault else None


def _fault(stripped: str, allow_urls: bool, allow_options: bool) -> str | None:
    if not stripped:
        return "An item of the pip section is empty: write a requirement or delete the item."
    if option := _OPTION.search(stripped.partition(";")[0]):
        return None if allow_options else _option_fault(stripped, option[2])
    if (url := direct_url(stripped)) is not None:
        return None if allow_urls else _url_fault(stripped, url)
    try:
        Requirement(stripped)
    except InvalidRequirement as error:
        return f"'{stripped}' is not a pip requirement: {_hint(stripped, str(error))}"
    return None


def _is_path(text: str) -> bool:
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text):
        return text.lower().startswith("file:")
    return text.startswith((".", "/", "~")) or "\\" in text or text.partition("[")[0].lower().endswith(_ARCHIVE)


def _option_fault(text: str, option: str) -> str:
    if option in ("-r", "--requirement", "-c", "--constraint"):
        return f"The pip option '{text}' names another file: write its requirements here, one per item. {_ASK}"
    if option in ("-e", "--editable"):
        return f"The pip option '{text}' installs from a directory: name a released package instead. {_ASK}"
    return f"The pip option '{text}' is not allowed in a specification: remove it. {_ASK}"


def _url_fault(text: str, url: str) -> str:
    what = "a local path" if _is_path(url) else "a direct URL"
    return f"The pip requirement '{text}' is {what}: name a released package, such as 'name==1.0'. {_ASK}"


def _hint(text: str, reason: str) -> str:
    if "::" in text:
        return "'channel::package' belongs among the conda dependencies, outside 'pip'."
    if single := re.fullmatch(r"([A-Za-z0-9][A-Za-z0-9._-]*(?:\[[^]]*\])?)\s*=\s*([^=\s]+)(=.*)?", text):
        return f"pip writes '{single[1]}=={single[2]}'."
    if swapped := re.search(r"=([<>])", text):
        return f"write '{swapped[1]}=' instead of '={swapped[1]}'."
    if re.fullmatch(r"[A-Za-z0-9._-]+(\s+[A-Za-z0-9._-]+)+", text):
        return "write one requirement per item, and a version as 'name==1.0'."
    return f"{reason.splitlines()[0].rstrip('.')}. Write it like 'name>=1.0,<2'."
