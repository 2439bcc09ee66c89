"""Conda's MatchSpec: what is wrong with a dependency in words that help, and names that are nearly right.

The grammar is rattler's (conda documentation, "Package match specifications"); its exceptions end here.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import NamedTuple

from rattler import MatchSpec
from rattler.exceptions import InvalidMatchSpecError

from conda_store.errors import BadInput, Problem
from conda_store.specification import Entries
from conda_store.specification_grammar import redact, shorten

# rattler's version parser takes time quadratic in the number of alternatives: 100,000 take six seconds.
MAX_LENGTH = 1000
_OPERATOR = r"(?:===|==|>=|<=|!=|~=|=|<|>)"
_PLAIN_NAME = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
# A glob, or a regular expression without what makes matching slow (back references, look-around).
_BUILD = re.compile(r"\^?[A-Za-z0-9_.*+|()\[\]-]+\$?")
# Names under which people import or pip-install what conda-forge calls otherwise.
_ALSO_KNOWN_AS = {
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cv2": "opencv",
    "dateutil": "python-dateutil",
    "opencv-python": "opencv",
    "pil": "pillow",
    "pytables": "pytables",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "tables": "pytables",
    "torch": "pytorch",
    "yaml": "pyyaml",
}


class NamedDependency(NamedTuple):
    """A dependency's package, in lower case, and the channel before `::` as written (None without one)."""

    channel: str | None
    name: str


def check_dependencies(entries: Entries) -> list[Problem]:
    """One problem, with its place, for every dependency that is no MatchSpec; empty when all are."""
    return [entry.problem(fault) for entry in entries.dependencies if (fault := matchspec_fault(entry.text))]


def matchspec_fault(text: str) -> str | None:
    """Why a dependency cannot be taken, with the way out; None when it can. Never raises."""
    shown = shorten(text)
    if len(text) > MAX_LENGTH:
        return f"The dependency '{shown}' has {len(text)} characters; at most {MAX_LENGTH} are read."
    hint = _kind_hint(text) or _spec_hint(text)
    return f"'{shown}' is not a conda dependency: {redact(hint)}" if hint else None


def channel_and_name(text: str) -> NamedDependency:
    """`conda-forge::numpy>=1` is (`conda-forge`, `numpy`). Raises BadInput for what `matchspec_fault` refuses."""
    if fault := matchspec_fault(text):
        raise BadInput(fault)
    head, separator, _ = text.partition("[")[0].rpartition("::")
    name = MatchSpec(text).name
    return NamedDependency(head.strip() if separator and head.strip() else None, name.normalized if name else "")


def near_misses(name: str, names: Iterable[str], n: int = 3) -> list[str]:
    """At most `n` of `names` that the writer of `name` may have meant, best first; 30,000 names take 50 ms."""
    wanted = _folded(name)
    by_fold = {_folded(candidate): candidate for candidate in names}
    first = [_ALSO_KNOWN_AS.get(name.lower(), ""), wanted, f"python-{wanted}", wanted.removeprefix("python-")]
    found = [by_fold[_folded(guess)] for guess in first if _folded(guess) in by_fold]
    # Two texts that are 70 % alike differ little in length and share some pair of neighbours.
    room = max(1, len(wanted) // 3)
    pairs = {wanted[at : at + 2] for at in range(len(wanted) - 1)}
    likely = [
        fold
        for fold in by_fold
        if abs(len(fold) - len(wanted)) <= room
        and any(pair in fold for pair in pairs)
        and (fold[:1] in wanted[:3] or wanted[:1] in fold[:3])
    ]
    found += [by_fold[fold] for fold in difflib.get_close_matches(wanted, likely, n, 0.7)]
    return [candidate for candidate in dict.fromkeys(found) if candidate != name][:n]


def _folded(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.lower())


def _spec_hint(text: str) -> str | None:
    try:
        # Conditional dependencies, extras and flags are no part of conda's own syntax (rattler has them on trial).
        spec = MatchSpec(text, extras=False, conditionals=False, flags=False)
        build = str(spec.build) if spec.build else ""
        return _meaning_hint(text, spec, build)
    except InvalidMatchSpecError as error:
        return _syntax_hint(text, str(error))


def _kind_hint(text: str) -> str | None:
    """What a text is when it is something else altogether."""
    head = text.partition("[")[0]
    if re.search(r"[\x00-\x1f\x7f]", text):
        return "it holds a control character or a line break; delete it."
    if head.startswith("-"):
        return "options do not belong here; pip options stand in a requirements file only."
    if re.search(r"\s@\s|^[a-z]+\+[a-z]+:", head):
        return "direct URLs are pip's; move it below '- pip:' (an administrator may have to allow it)."
    if re.search(r"\[\s*(channel|url|fn|subdir)\s*=|[,;]\s*(channel|url|fn)\s*=", text):
        return "channel, url and fn in brackets are not accepted; write 'channel::package'."
    if "::" not in head and re.match(r"(https?|file|ftp|s3|oci):|[./~\\]|[A-Za-z]:[\\/]", head):
        return "a package is named, not linked; write its name and version, such as 'numpy=1.26'."
    if re.search(r";\s*(python_version|sys_platform|platform_|os_name|implementation_|if\b)", text):
        return "environment markers are pip's; conda has one file per platform. Remove what follows ';'."
    return None


def _meaning_hint(text: str, spec: MatchSpec, build: str) -> str | None:
    """What rattler accepts, but cannot have been meant."""
    if spec.namespace:
        return "a single ':' means nothing here; write 'channel::package' or 'package=version'."
    if text.partition("[")[0].lstrip().startswith("::"):
        return "there is no channel before '::'."
    if build and re.match(r"[<>=!~]", build):
        left = text.strip()[: -len(build)].rstrip(" ,")
        return f"two version conditions need a comma; write '{left},{build}'."
    if build and not _BUILD.fullmatch(build):
        return f"'{shorten(build)}' is not a build string; write 'name=version=build', one package per item."
    if placeholder := re.search(r"\d\.[xX](?![A-Za-z0-9])", text):
        return f"'{placeholder[0]}' is no version; write '{placeholder[0][:-1]}*'."
    words = text.partition("[")[0].split()
    if len(words) > 1 and re.fullmatch(r"[A-Za-z][A-Za-z_-]*", words[1]) and len(words) <= 3:
        return f"'{words[1]}' is not a version; write every package as an item of its own."
    return None


def _syntax_hint(text: str, reason: str) -> str:
    head = text.partition("[")[0]
    if swapped := re.search(r"=([<>])", text):
        return f"write '{swapped[1]}=' instead of '={swapped[1]}'."
    if "===" in text:
        return "write '==' instead of '==='."
    if extra := re.fullmatch(rf"({_PLAIN_NAME})\s*\[([A-Za-z0-9_, -]+)\](.*)", text.strip()):
        return f"extras such as '[{extra[2]}]' are pip's; write '{extra[1]}{extra[3]}', or move it below '- pip:'."
    if re.search(rf"{_OPERATOR}\s*(,|\||$)", head.strip()):
        return "an operator has no version after it; write it like 'name>=1.0,<2'."
    if re.search(r"[,|]\s*$", head):
        return "it ends with a comma or '|'; delete it."
    if re.match(r"\s*" + _OPERATOR, text):
        return "the name of the package is missing before the version."
    if re.match(r"\s*(\S+::\s*)?[*^]|\s*[A-Za-z0-9._-]*\*", head.split("=")[0]):
        return "a name must be written out, without '*' or a regular expression."
    if "^" in head:
        return "'^' is not known here; write '>=' and '<', such as 'name>=1.2,<2'."
    cause = reason.split("\nCaused by")[0].splitlines()[0] if reason.strip() else "it cannot be read"
    return f"{shorten(cause).rstrip('.')}. Write it like 'name', 'name=1.2' or 'name>=1.2,<2'."
