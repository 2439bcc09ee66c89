"""Names in the registry: how namespaces and environments are spelt there, tags, and digests.

Grammar: OCI distribution-spec 1.1, "Pulling manifests". Names that ask for an image on demand are `dynamic.py`.
"""

from __future__ import annotations

import re
from functools import lru_cache

from conda_store.registry.errors import DigestInvalid, ManifestUnknown, NameInvalid

NAME_LENGTH = 255
TAG_LENGTH = 128
#: The namespace whose repositories are requests for images (`dynamic.py`).
DYNAMIC = "conda-store-dynamic"
LATEST = "latest"

_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[A-Za-z0-9=_-]+")
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")
# What stands for itself: letters and digits, and one separator between two of them. Anything else is an escape.
_LITERAL = re.compile(rb"[a-z0-9]|(?<=[a-z0-9])[._-](?=[a-z0-9])")
_ESCAPE = re.compile(rb"--([0-9a-f]{2})")
_LEAD = "x"
# Each request of a pull names the same repository.
_CACHED = 4096


def escape(component: str) -> str:
    """A namespace or environment name as one component of a repository name; `unescape` gives it back.

    A byte (UTF-8) that is neither `[a-z0-9]` nor a single `.`, `_` or `-` between two of those becomes `--hh`. A
    component cannot begin with `-`, so `x` goes before a leading escape, and an `x` that leads to one by itself is
    escaped too. `ana@lab.org` is `ana--40lab.org`, `Ana` is `x--41na`, `x@y` is `x--78--40y`.
    """
    data = component.encode()
    parts = [_spelt(data, at) for at in range(len(data))]
    if parts[:1] == [_LEAD] and len(parts) > 1 and len(parts[1]) > 1:
        parts[0] = _escaped(data[0])
    text = "".join(parts)
    return f"{_LEAD}{text}" if text.startswith("--") else text


def _spelt(data: bytes, at: int) -> str:
    return chr(data[at]) if _LITERAL.match(data, at) else _escaped(data[at])


def _escaped(byte: int) -> str:
    return f"--{byte:02x}"


def unescape(component: str, *, exact: bool = True) -> str:
    """The name that `escape` made `component` of.

    With `exact` a component that `escape` would spell otherwise is refused, so that no name has two spellings.
    Raises `NameInvalid`.
    """
    text = component[1:] if component.startswith(f"{_LEAD}--") else component
    try:
        name = _ESCAPE.sub(lambda match: bytes.fromhex(match[1].decode()), text.encode()).decode()
    except UnicodeDecodeError as error:
        raise NameInvalid(f"The escapes (--hh) in {_shown(component)} are not UTF-8.") from error
    if exact and escape(name) != component:
        raise NameInvalid(f"{_shown(component)} is not how a name is spelt here; write {_shown(escape(name))}.")
    return name


def repository(namespace: str, environment: str) -> str:
    """`<namespace>/<environment>` as a repository name; raises `NameInvalid` when escaping makes it too long."""
    name = f"{escape(namespace)}/{escape(environment)}"
    if len(name) > NAME_LENGTH:
        raise NameInvalid(
            f"The names {namespace!r} and {environment!r} need {len(name)} characters in a registry, which has room "
            f"for {NAME_LENGTH}: use fewer characters other than lower-case letters and digits."
        )
    return name


@lru_cache(_CACHED)
def split_repository(name: str) -> tuple[str, str]:
    """Namespace and environment of a repository name; raises `NameInvalid` for any other text."""
    namespace, slash, environment = checked_name(name).partition("/")
    if not slash or "/" in environment:
        raise NameInvalid(f"{_shown(name)} is not <namespace>/<environment>.")
    return unescape(namespace), unescape(environment)


def environment_fault(name: str) -> str | None:
    """Why a repository name is that of no environment; None when it may be."""
    try:
        split_repository(name)
    except NameInvalid as error:
        return error.message
    return None


def checked_name(name: str) -> str:
    """`name` itself when the distribution-spec allows it; raises `NameInvalid`."""
    if len(name) > NAME_LENGTH:
        raise NameInvalid(f"The repository name {_shown(name)} has {len(name)} characters; {NAME_LENGTH} are the most.")
    for component in name.split("/"):
        if _COMPONENT.fullmatch(component) is None:
            raise NameInvalid(
                f"{_shown(component)} is not part of a repository name: lower-case letters and digits, with '.', '_', "
                "'__' or '-' between them. The page of an environment shows its name as it is spelt here."
            )
    return name


def is_dynamic(name: str) -> bool:
    """Whether a repository name asks for an image on demand."""
    return name.startswith(f"{DYNAMIC}/")


def is_digest(reference: str) -> bool:
    """Whether a manifest's reference is meant as a digest: a tag has no colon."""
    return ":" in reference


def may_be_built(name: str, reference: str) -> bool:
    """Whether builds can make an image of this name and reference: of no other is one on its way."""
    return _TAG.fullmatch(reference) is not None and not is_dynamic(name) and environment_fault(name) is None


def checked_tag(tag: str) -> str:
    """`tag` itself when it may be one. Raises `ManifestUnknown`: no manifest can have another."""
    if _TAG.fullmatch(tag) is None:
        raise ManifestUnknown(
            f"{_shown(tag)} is not a tag: at most {TAG_LENGTH} letters, digits, '.', '_' and '-', not beginning with "
            "'.' or '-'."
        )
    return tag


def checked_digest(digest: str) -> str:
    """`digest` itself when it is `sha256:<64 lower-case hex>`; raises `DigestInvalid`."""
    if _SHA256.fullmatch(digest):
        return digest
    known = _DIGEST.fullmatch(digest) and not digest.startswith("sha256:")
    fault = "has an algorithm that is not known here" if known else "is not a digest"
    raise DigestInvalid(f"{_shown(digest)} {fault}: write sha256: and 64 lower-case hexadecimal digits.")


def escape_tag(text: str) -> str:
    """A text with what a tag forbids as `--hh`."""
    return "".join(c if re.match(r"[A-Za-z0-9._-]", c) else "".join(map(_escaped, c.encode())) for c in text)


def build_tags(build_id: int, short_key: str, build_key: str, *, current: bool) -> tuple[str, ...]:
    """The tags of a build's image: its id, its short key, its build key, and `latest` for the current build.

    A key that does not fit into a tag's 128 characters is left out.
    """
    keys = (escape_tag(short_key), escape_tag(build_key))
    fitting = [key for key in keys if len(key) <= TAG_LENGTH]
    return (str(build_id), *fitting, *([LATEST] if current else []))


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:60]}…")
