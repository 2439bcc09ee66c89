"""The shapes of what differs between two builds, as answers show it; `models.py` has all others."""

from __future__ import annotations

from typing import Any

from conda_store.models import Model


class SpecificationEntry(Model):
    """A part of a specification; `name` is its place, such as `dependencies.numpy`."""

    name: str
    value: Any


class SpecificationChange(Model):
    """A part of a specification that is another one."""

    name: str
    before: Any
    after: Any


class PackageVersion(Model):
    """A package of a build; `channel` is a name or URL."""

    version: str
    build: str
    channel: str


class NamedPackage(PackageVersion):
    """A package that one of two builds has."""

    name: str


class PackageChange(Model):
    """A package that both builds have, each another one."""

    name: str
    before: PackageVersion
    after: PackageVersion


class SpecificationDifference(Model):
    """Between the specifications of two builds, by place."""

    added: list[SpecificationEntry]
    removed: list[SpecificationEntry]
    changed: list[SpecificationChange]


class PackageDifference(Model):
    """Between the packages of two builds, by name."""

    added: list[NamedPackage]
    removed: list[NamedPackage]
    changed: list[PackageChange]


class Difference(Model):
    """What another build has that this one has not (`added`), and so on."""

    specification: SpecificationDifference
    packages: PackageDifference
