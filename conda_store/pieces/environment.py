"""The few files of an environment that belong to no package: history, variables, and a tag for back-up tools.

Prefix, archive and image hold the same ones.
"""

from __future__ import annotations

import json
import shlex

from conda_store.specification import Specification

VARIABLES_SCRIPT = "conda-store-variables.sh"

# rattler writes this tag into every prefix (format: the Cache Directory Tagging Specification).
_CACHE_TAG = """\
Signature: 8a477f597d28d172789f06886806bc55
# This file is a cache directory tag created by rattler.
# For information about cache directory tags, see:
#\thttps://bford.info/cachedir/
"""


def environment_files(specification: Specification) -> dict[str, bytes]:
    """Target → content. Variables stand where conda looks for them (`conda-meta/state`) and, for everyone who has
    no conda, in a script of `activate.d` and one of `deactivate.d`.
    """
    files = {"CACHEDIR.TAG": _CACHE_TAG.encode(), "conda-meta/history": history(specification).encode()}
    variables = dict(specification.variables)
    if variables:
        files["conda-meta/state"] = json.dumps({"env_vars": variables}, indent=2, sort_keys=True).encode()
        exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(variables.items()))
        unsets = "".join(f"unset {name}\n" for name in sorted(variables))
        files[f"etc/conda/activate.d/{VARIABLES_SCRIPT}"] = exports.encode()
        files[f"etc/conda/deactivate.d/{VARIABLES_SCRIPT}"] = unsets.encode()
    return files


def history(specification: Specification) -> str:
    """What was asked for, as conda's `conda-meta/history` says it, without a time."""
    return (
        "==> 1970-01-01 00:00:00 <==\n"
        "# cmd: conda-store build\n"
        f"# update specs: {json.dumps(list(specification.dependencies))}\n"
    )
