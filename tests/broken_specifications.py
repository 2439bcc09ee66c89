"""Specifications that are wrong, each with what its answer must say: for the reader, the command line and HTTP.

Every case can be decided without asking a channel. All but those marked are read under the default policy.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Broken:
    """A file; `culprit` and `hint` stand in the message of the problem on `line` (from 1; None: no place)."""

    name: str
    source: bytes
    culprit: str
    hint: str
    line: int | None
    column: int | None = None


def _dependency(name: str, item: str, culprit: str, hint: str, column: int = 3) -> Broken:
    source = f"name: broken\ndependencies:\n- python=3.11\n- {item}\n"
    return Broken(name, source.encode(), culprit, hint, 4, column)


def _pip(name: str, item: str, culprit: str, hint: str) -> Broken:
    source = f"name: broken\ndependencies:\n- python=3.11\n- pip:\n  - flask\n  - {item}\n"
    return Broken(name, source.encode(), culprit, hint, 6, 5)


def _channel(name: str, channel: str, culprit: str, hint: str) -> Broken:
    source = f"name: broken\nchannels:\n- conda-forge\n- {channel}\ndependencies:\n- python\n"
    return Broken(name, source.encode(), culprit, hint, 4, 3)


def _head(name: str, line: str, culprit: str, hint: str, column: int = 1) -> Broken:
    return Broken(name, f"{line}\ndependencies:\n- python\n".encode(), culprit, hint, 1, column)


def _second(name: str, lines: str, culprit: str, hint: str, line: int = 2, column: int = 1) -> Broken:
    return Broken(name, f"name: broken\n{lines}\n".encode(), culprit, hint, line, column)


def _bomb() -> bytes:
    lines = ["name: broken", "a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * 9) + "]" for n in range(1, 9)]
    return "\n".join(lines).encode()


_DEPENDENCIES = "dependencies:\n- python"

FILES = [
    Broken("empty file", b"", "empty", "'name:' and 'dependencies:'", None),
    Broken("only a comment", b"# nothing\n", "empty", "'name:'", None),
    Broken("an image", b"\x89PNG\r\n\x1a\n\x00\x00", "byte 0x89 at offset 0", "encoding UTF-8", 1, 1),
    Broken("latin-1", "name: a\ndescription: Zürich\n".encode("latin-1"), "0xfc", "encoding UTF-8", 2, 15),
    Broken("utf-16", "name: a\n".encode("utf-16"), "UTF-16", "save it as UTF-8", 1, 1),
    Broken("NUL", b"name: a\ndependencies:\n- py\x00thon\n", "U+0000", "delete it", 3, 5),
    Broken("huge", b"name: a\n#" + b"x" * 2_000_000, "2000009 bytes", "at most 1048576", None),
    Broken("YAML bomb", _bomb(), "50000 entries", "aliases", 6),
    Broken("many aliases", b"a: &a x\nb: [" + b"*a, " * 200 + b"]", "100 aliases", "write entries out", 2),
    Broken("endless alias", b"name: &a [*a]\n", "'*a'", "never end", 1, 11),
    Broken("deep", b"name: " + b"[" * 100_000, "nested", "32 deep", 1),
    Broken("deep blocks", b"- " * 2000, "nested", "32 deep", 1),
    Broken("unclosed bracket", b"name: a\nchannels: [conda-forge\ndependencies:\n- python\n", "YAML", "bracket", 3),
    Broken("unclosed quote", b'name: "a\ndependencies:\n- python\n', "YAML", "quote", 4),
    Broken("tab", b"name: a\ndependencies:\n\t- python\n", "YAML", "Indent with spaces", 3, 1),
    Broken("two colons", b"name: a: b\n", "YAML", "quotes", 1, 8),
    Broken("undefined alias", b"name: a\ndependencies:\n- *\n- *numpy\n", "YAML", "'*' in quotes", 3),
    Broken("bare operator", b"name: a\ndependencies:\n- >=1.0\n", "YAML", "'>' in quotes", 3),
    Broken("at sign", b"name: a\ndependencies:\n- @numpy\n", "YAML", "'@' in quotes", 3, 3),
    Broken("explicit list", b"# platform: linux-64\n@EXPLICIT\nhttps://x/a-1-0.conda\n", "YAML", "--explicit", 2, 1),
    Broken("two documents", b"name: a\n---\nname: b\n", "second document", "one environment", 2, 1),
    Broken("a list", b"- python\n- numpy\n", "list", "'dependencies:'", 1, 1),
    Broken("a text", b"python\n", "'python'", "'dependencies:'", 1, 1),
    Broken("requirements.txt", b"flask==3.0\nnumpy\n", "requirements.txt", "'- pip:'", 1, 1),
    Broken("a lockfile", b"version: 1\nmetadata: {}\npackage: []\n", "lockfile", "submit it as a lockfile", 1, 1),
    Broken("JSON cut short", b'{"name": "a",\n "dependencies": ["python"\n', "YAML", "bracket", 3),
]

KEYS = [
    _head("no name", "channels: [conda-forge]", "no name", "'name: my-env'"),
    _head("name is null", "name:", "no name", "'name: my-env'", 6),
    _head("name is a number", "name: 1.0", "'1.0'", '"1.0"', 7),
    _head("name is a date", "name: 2024-01-01", "'2024-01-01'", "quotes", 7),
    _head("name is true", "name: yes", "'yes'", "quotes", 7),
    _head("name is a list", "name: [a]", "a list", "must be text", 7),
    _head("name with a slash", "name: team/env", "'team/env'", "'team-env'", 7),
    _head("name with a space", "name: my env", "'my env'", "'my-env'", 7),
    _head("name too long", f"name: {'x' * 81}", "xxx", "at most 80 characters", 7),
    _head("name dot dot", "name: ..", "'..'", "begins with a letter or digit", 7),
    _second("doubled key", f"{_DEPENDENCIES}\nname: twice", "'name'", "first on line 1", 4),
    _second("misspelt dependencies", "dependancies:\n- python", "'dependancies'", "did you mean 'dependencies'?"),
    _second("misspelt channels", f"chanels: [a]\n{_DEPENDENCIES}", "'chanels'", "did you mean 'channels'?"),
    _second("capital key", "Dependencies:\n- python", "'Dependencies'", "did you mean 'dependencies'?"),
    _second("packages", "packages:\n- python", "'packages'", "did you mean 'dependencies'?"),
    _second("pip at the top", f"pip:\n- flask\n{_DEPENDENCIES}", "'pip'", "'- pip:'"),
    _second("unknown key", f"frobnicate: 1\n{_DEPENDENCIES}", "'frobnicate'", "the keys are name, channels"),
    _second("key is a list", f"? [a]\n: b\n{_DEPENDENCIES}", "key", "must be text", 2, 3),
    _second("merge key", f"<<: {{a: b}}\n{_DEPENDENCIES}", "'<<'", "write the entries out"),
    _second(
        "python tag", f"description: !!python/object:os.system x\n{_DEPENDENCIES}", "!!python", "plain text", 2, 14
    ),
    _second("no dependencies", "channels: [conda-forge]", "no dependencies", "- python=3.11", 1),
    _second("empty dependencies", "dependencies: []", "no dependencies", "- python=3.11", 2, 15),
    _second("dependencies without dashes", "dependencies:\n  python\n  numpy", "'dependencies'", "'- '", 3, 3),
    _second("dependencies as a mapping", "dependencies:\n  python: '3.11'", "a mapping", "'- '", 3, 3),
    _second("channels as text", f"channels: conda-forge\n{_DEPENDENCIES}", "'conda-forge'", "'- '", 2, 11),
    _second("platform", f"platforms: [linux64]\n{_DEPENDENCIES}", "'linux64'", "did you mean 'linux-64'?", 2, 13),
    _second("machine name", f"platforms: [linux-x86_64]\n{_DEPENDENCIES}", "'linux-x86_64'", "did you mean", 2, 13),
    _second("variables as a list", f"variables: [A=1]\n{_DEPENDENCIES}", "'variables'", "'NAME: value'", 2, 12),
    _second(
        "variable name", f"variables: {{MY-VAR: a}}\n{_DEPENDENCIES}", "'MY-VAR'", "letters, digits and '_'", 2, 13
    ),
    _second("variable null", f"variables:\n  A:\n{_DEPENDENCIES}", "'A'", "has no value", 3, 5),
    _second("variable list", f"variables:\n  A: [1]\n{_DEPENDENCIES}", "'A'", "is a list", 3, 6),
    _second("variable with lines", f"variables:\n  A: |\n    b\n    c\n{_DEPENDENCIES}", "'A'", "on one line", 3, 3),
    _second("escaped NUL", f'description: "a\\0b"\n{_DEPENDENCIES}', "U+0000", "delete it", 2, 14),
    _second("description list", f"description: [a]\n{_DEPENDENCIES}", "a list", "must be text", 2, 14),
]

DEPENDENCIES = [
    _dependency("null item", "", "empty", "delete", 2),
    _dependency("a number", "3.11", "'3.11'", "'python=3.11'"),
    _dependency("truth", "on", "'on'", "in quotes"),
    _dependency("a list", "[numpy]", "a list", "must be text"),
    _dependency("colon for equals", "numpy: 1.26", "numpy: 1.26", "numpy=1.26"),
    _dependency("closing colon", "numpy:", "'numpy'", "remove the colon"),
    _dependency("conda section", "conda: [numpy]", "'conda:'", "directly under 'dependencies'"),
    _dependency("misspelt pip", "pips: [flask]", "'pips'", "did you mean 'pip'?"),
    _dependency("pip is no list", "pip: flask", "dependencies[1].pip", "'- '", 8),
    _dependency("swapped operator", "numpy=>1.0", "'numpy=>1.0'", "'>='"),
    _dependency("letter x", "python=3.x", "'python=3.x'", "'3.*'"),
    _dependency("no version", "numpy==", "'numpy=='", "no version after it"),
    _dependency("open range", "numpy >=1.0,<", "'numpy >=1.0,<'", "no version after it"),
    _dependency("three equals", "numpy===1.0", "'numpy===1.0'", "'=='"),
    _dependency("bad name", "'[bad'", "'[bad'", "'name=1.2'"),
    _dependency("two names", "numpy pandas", "'numpy pandas'", "an item of its own"),
    _dependency("two conditions", "numpy>=1.0 <2", "'numpy>=1.0 <2'", "'numpy>=1.0,<2'"),
    _dependency("extras", "requests[security]", "'requests[security]'", "'- pip:'"),
    _dependency("marker", "numpy; python_version<'3'", "python_version", "pip's"),
    _dependency("caret", "numpy^1.0", "'numpy^1.0'", "'^'"),
    _dependency("glob", "num*", "'num*'", "written out"),
    _dependency("one colon", "conda-forge:numpy", "'conda-forge:numpy'", "channel::package"),
    _dependency("package URL", "https://conda.anaconda.org/conda-forge/linux-64/a-1-0.conda", "https://", "not linked"),
    _dependency("package path", "/tmp/a-1-0.conda", "'/tmp/a-1-0.conda'", "not linked"),
    _dependency("url in brackets", "'numpy[url=\"https://x.org/a-1-0.conda\"]'", "numpy[url", "channel::package"),
    _dependency("pip URL outside pip", "numpy @ https://x.org/n.whl", "numpy @", "'- pip:'"),
    _dependency("editable", "-e .", "'-e .'", "pip options"),
]

PIP = [
    _pip("requirements file", "-r requirements.txt", "'-r requirements.txt'", "one per item"),
    _pip("index", "--index-url https://pypi.example.org/simple", "--index-url", "administrator"),
    _pip("editable", "-e .", "'-e .'", "released package"),
    _pip("direct URL", "numpy @ https://example.org/numpy.whl", "numpy @ https", "administrator"),
    _pip("git", "git+https://example.org/a/b.git", "git+https", "administrator"),
    _pip("local path", "./wheels/a.whl", "'./wheels/a.whl'", "local path"),
    _pip("file URL", "a @ file:///tmp/a.whl", "file:///tmp", "local path"),
    _pip("one equals sign", "numpy=1.26", "'numpy=1.26'", "'numpy==1.26'"),
    _pip("conda channel", "conda-forge::numpy", "'conda-forge::numpy'", "outside 'pip'"),
    _pip("two names", "numpy pandas", "'numpy pandas'", "one requirement per item"),
    _pip("nested mapping", "numpy: 1.26", "a mapping", "must be text"),
    _pip("hash option", "numpy==1.0 --hash=sha256:00", "--hash", "administrator"),
]

CHANNELS = [
    _channel("channel path", "./local", "'./local'", "'file:///"),
    _channel("channel file URL", "file:///srv/channel", "file:///srv/channel", "administrator"),
    _channel("foreign channel", "https://evil.example.org/conda-forge", "evil.example.org", "administrator"),
    _channel("http", "http://conda.anaconda.org/conda-forge", "'http:'", "not allowed"),
    _channel("host that begins alike", "https://conda.anaconda.org.example.org/a", "example.org", "not allowed"),
    _channel("dots", "https://conda.anaconda.org/a/../b", "conda.anaconda.org", "plainly"),
    _channel("escaped dots", "https://conda.anaconda.org/a/%2e%2e/b", "conda.anaconda.org", "plainly"),
    _channel("password", "https://ana:hunter2@conda.anaconda.org/a", "credentials", "configuration"),
    _channel("token", "https://conda.anaconda.org/t/ab-123/a", "credentials", "configuration"),
    _channel("token by name", "t/ab-123/a", "credentials", "configuration"),
    _channel("scheme", "ftp://conda.anaconda.org/a", "ftp:", "https"),
    _channel("platform as a channel", "linux-64", "'linux-64'", "'platforms'"),
    _channel("channel is a number", "7", "'7'", "quotes"),
    _channel("empty channel", "''", "empty", "delete it"),
    _channel("channel with a space", "conda forge", "'conda forge'", "'conda-forge'"),
    _channel("defaults", "defaults", "'defaults'", "administrator"),
    Broken(
        "only nodefaults", b"name: a\nchannels: [nodefaults]\ndependencies: [a]\n", "nodefaults", "conda-forge", 2, 11
    ),
    _dependency(
        "package of a foreign channel", "https://evil.example.org/c::numpy", "evil.example.org", "administrator"
    ),
    _dependency("package of a local channel", "file:///tmp/c::numpy", "file:///tmp/c", "administrator"),
    _dependency("package of a path", "/tmp/c::numpy", "'/tmp/c'", "local path"),
    _dependency("package with a token", "https://conda.anaconda.org/t/ab-1/c::numpy", "credentials", "configuration"),
]

BROKEN = [*FILES, *KEYS, *DEPENDENCIES, *PIP, *CHANNELS]
