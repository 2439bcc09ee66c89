"""The installer: a shell script in front of the very bytes of an archive, which unpacks itself to any place.

Its options are those of conda's constructor that make sense without questions: `-p`, `-b`, `-h`.
"""

from __future__ import annotations

import shlex

_OFFSET_DIGITS = 8
_SCRIPT = """\
#!/bin/sh
# Installs an environment that conda-store packed. What follows the script is a tar.gz.
set -eu
name={name}
prefix="$PWD/$name"
usage="usage: sh $0 [-p PREFIX] [-b] [-h]
Installs the environment $name.
-p PREFIX  where to, a path that does not exist or is empty; by default $prefix
-b         ask nothing (it never does)
-h         show this"
while getopts p:bh option; do
    case "$option" in
        p) prefix="$OPTARG" ;;
        b) ;;
        h) echo "$usage"; exit 0 ;;
        *) echo "$usage" >&2; exit 2 ;;
    esac
done
case "$prefix" in /*) ;; *) prefix="$PWD/$prefix" ;; esac
if [ -e "$prefix" ] && [ -n "$(ls -A "$prefix" 2>&1)" ]; then
    echo "$prefix is not empty: choose another place with -p." >&2
    exit 1
fi
mkdir -p "$prefix"
tail -c +{offset} "$0" | tar -xzf - -C "$prefix"
python="$prefix/bin/python"
if [ ! -x "$python" ]; then python="$(command -v python3 || true)"; fi
if [ -z "$python" ]; then
    echo "Some files of $prefix still name another place: run $prefix/bin/conda-unpack where there is a python3." >&2
    exit 1
fi
"$python" "$prefix/bin/conda-unpack"
echo "Installed. To use it:  . $prefix/bin/activate"
exit 0
"""


def installer_script(name: str) -> bytes:
    """What stands in front of a tar.gz of the environment `name`; it knows its own length."""
    script = _SCRIPT.replace("{name}", shlex.quote(name))
    # tail counts bytes from 1.
    offset = len(script.replace("{offset}", "0" * _OFFSET_DIGITS).encode()) + 1
    return script.replace("{offset}", f"{offset:0{_OFFSET_DIGITS}d}").encode()
