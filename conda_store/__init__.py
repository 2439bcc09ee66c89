"""conda-store: environments as prefixes, lockfiles, archives and container images, made from pieces."""

from conda_store._version import __version__

__all__ = ["__version__"]
