"""Bundles the pages' styles and scripts into conda_store/static."""

from __future__ import annotations

from node import npm, packages

if __name__ == "__main__":
    packages()
    npm("run", "--silent", "build")
