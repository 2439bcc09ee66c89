"""What stands on a verb: who may use it, and what it takes and gives. Decorators set attributes and keep no state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel

from conda_store.models import Model

PUBLIC = "public"
SIGNED_IN = "signed in"

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Shape:
    """For validation and OpenAPI: the models of query, body and answer, or the media type of an answer that is none."""

    answer: type[Model] | str | None = None
    query: type[Model] | None = None
    body: type[BaseModel] | None = None


def needs_permission(permission: str) -> Callable[[Function], Function]:
    """The caller must have `permission` on what the path names (`Handler.entity`), before it is looked at."""
    return _mark("permission", permission)


def filtered(permission: str) -> Callable[[Function], Function]:
    """Everyone may ask, and is shown only that on which they have `permission`."""
    return _mark("permission", f"filtered by {permission}")


def public(function: Function) -> Function:
    """Everyone may do this."""
    return _mark("permission", PUBLIC)(function)


def signed_in(function: Function) -> Function:
    """Everyone may do this who is somebody; it is about nothing but what is their own."""
    return _mark("permission", SIGNED_IN)(function)


def describes(
    answer: type[Any] | str | None = None, *, query: type[Model] | None = None, body: type[BaseModel] | None = None
) -> Callable[[Function], Function]:
    """What the verb takes and gives."""
    return _mark("shape", Shape(answer, query, body))


def _mark(name: str, value: object) -> Callable[[Function], Function]:
    def decorate(function: Function) -> Function:
        setattr(function, name, value)
        return function

    return decorate
