"""The words of a specification: which names, variables, platforms and keys there are, and what to say of others.

Each `…_fault` gives a sentence that names the culprit and the way out, or None when there is no fault.
"""

from __future__ import annotations

import difflib
import re

import yaml

from conda_store.yaml_marks import kind

#: Bytes of the longest name of a namespace.
NAMESPACE_BYTES = 100
_NOT_IN_NAMESPACES = "/*:"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+=@~-]{0,79}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

#: Subdirectories of a conda channel that name a platform (conda.base.constants.KNOWN_SUBDIRS, without noarch).
PLATFORMS = (
    *("linux-64", "linux-aarch64", "linux-ppc64le", "linux-s390x", "linux-riscv64", "linux-32", "linux-armv6l"),
    *("linux-armv7l", "linux-ppc64", "linux-riscv32", "osx-64", "osx-arm64", "win-64", "win-arm64", "win-32"),
    *("freebsd-64", "emscripten-wasm32", "wasi-wasm32", "zos-z"),
)
#: The keys of an environment.yaml; the last two are ignored.
KEYS = ("name", "channels", "dependencies", "variables", "platforms", "description", "image", "prefix", "category")
# What other tools call our keys, where difflib would not see it.
_OTHER_WORDS = {
    "packages": "dependencies",
    "requirements": "dependencies",
    "env": "variables",
    "environment": "variables",
    "env_vars": "variables",
    "envs": "variables",
    "title": "name",
    "summary": "description",
    "subdirs": "platforms",
    "docker": "image",
    "container": "image",
}


def name_fault(name: str) -> str | None:
    """Why a text is no environment name (at most 80 characters of a small set); None when it is one."""
    if _NAME.fullmatch(name):
        return None
    rule = "it begins with a letter or digit, then letters, digits and . _ + = @ ~ - follow, at most 80 characters"
    near = re.sub(r"[^A-Za-z0-9._+=@~-]+", "-", name).strip("._+=@~-")[:80]
    return f"'{shorten(name)}' is not an environment name: {rule}." + (f" Use '{near}' for example." if near else "")


def variable_fault(name: str, value: str) -> str | None:
    """Why an environment variable cannot be set; None when it can."""
    if not _VARIABLE.fullmatch(name):
        return f"'{shorten(name)}' is not a variable name: use letters, digits and '_', not beginning with a digit."
    if any(character in value for character in "\n\r\0"):
        return f"The value of the variable '{name}' has a line break or NUL: write it on one line."
    return None


def platform_fault(platform: str) -> str | None:
    """Why a text is no platform; None when it is one."""
    if platform in PLATFORMS:
        return None
    near = difflib.get_close_matches(platform.lower(), PLATFORMS, 1, 0.5)
    return f"Unknown platform '{shorten(platform)}'; " + (
        f"did you mean '{near[0]}'?" if near else "use 'linux-64', 'linux-aarch64', 'osx-arm64' or 'win-64'."
    )


def normal_channel(text: str) -> str:
    """A channel as written but for white space and closing slashes."""
    return text.strip().rstrip("/") or text.strip()


def unknown_key(key: str) -> str:
    """What to say of a key that a specification does not have."""
    if key == "pip":
        return "Unknown key 'pip'; the pip section is an item of 'dependencies': '- pip:', with its items below."
    if near := nearest_key(key):
        return f"Unknown key '{shorten(key)}'; did you mean '{near}'?"
    return f"Unknown key '{shorten(key)}'; the keys are {', '.join(KEYS[:-2])}. Delete it."


def nearest_key(key: str) -> str | None:
    """The key that was meant by one that does not exist."""
    lower = key.lower()
    return _OTHER_WORDS.get(lower) or next(iter(difflib.get_close_matches(lower, KEYS, 1, 0.6)), None)


def mapping_fault(key: str, value: yaml.Node) -> str:
    """What to say of `- key: value` among the dependencies, where only `pip` may be a key."""
    text = value.value.strip() if isinstance(value, yaml.ScalarNode) else None
    if key == "conda":
        return "'conda:' is no section here: list its packages directly under 'dependencies'."
    if key.startswith("sel("):
        return f"The selector '{shorten(key)}' is not supported: use one file per platform."
    if near := difflib.get_close_matches(key.lower(), ["pip"], 1, 0.6):
        return f"Unknown section '{shorten(key)}'; did you mean '{near[0]}'?"
    if text is None or kind(value) == "null":
        hint = f"remove the colon: '- {key}'" if not isinstance(value, yaml.CollectionNode) else "only 'pip' has a list"
        return f"The dependency '{shorten(key)}' is a mapping, not a package: {hint}."
    spec = f"{key}{'' if text[:1] in '<>=!~' else '='}{text}"
    return f"The dependency '{shorten(key)}: {shorten(text)}' is a mapping, not a package: write {shorten(spec)}."


def document_fault(node: yaml.Node) -> str:
    """What to say of a file that is a list or a text instead of a mapping."""
    text = node.value if isinstance(node, yaml.ScalarNode) else ""
    if kind(node) == "list":
        return "The file is a list: put it under 'dependencies:' and add a 'name:'."
    if re.match(r"[A-Za-z0-9._-]+\s*(==|>=|<=|~=|\s)", text):
        return (
            "The file looks like requirements.txt: write 'name:' and 'dependencies:' with '- pip:' and the list below."
        )
    return f"The file is the text '{shorten(text)}': it must have keys such as 'name:' and 'dependencies:'."


def redact(text: str) -> str:
    """A text without what stands before `@` in a URL, and without conda's `/t/<token>`: messages hold no secret."""
    return re.sub(r"(?<=/)t/[^/\s]+/", "", re.sub(r"(?<=//)[^/\s]*@", "", text))


def shorten(text: str) -> str:
    """At most 80 characters of a text, for a message, and no credentials."""
    text = redact(text)
    return text if len(text) <= 80 else f"{text[:60]}…"


def namespace_fault(name: str) -> str | None:
    """What keeps a namespace from having this name."""
    # JSON can hold half a character, which no answer can.
    shown = name[:NAMESPACE_BYTES].encode(errors="replace").decode()
    if not name or not name.isprintable() or name != name.strip() or name in {".", ".."}:
        return f"'{shown}' is no name for a namespace: use printable text without spaces around it."
    if any(character in name for character in _NOT_IN_NAMESPACES):
        return f"'{shown}' is no name for a namespace: leave out '/', '*' and ':'."
    if len(name.encode()) > NAMESPACE_BYTES:
        return f"The namespace '{shown}…' is longer than {NAMESPACE_BYTES} bytes."
    return None
