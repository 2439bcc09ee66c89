"""What of the Hub counts in conda-store: the scopes, and a token that asks a question in somebody's name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

NAME = "conda-store"
PREFIX = "custom:conda-store:"
_LEVEL = {"write": "read", "admin": "read"}


class AccessMissing(Exception):
    """The Hub gives somebody no access to conda-store."""


def reading(held: Iterable[str], name: str = NAME) -> list[str]:
    """The scopes of a token that reads in conda-store what somebody with the scopes `held` may, and changes nothing.

    Only whoever has `everything` keeps it: there is no scope for reading everything.
    """
    asked = {f"access:services!service={name}"}
    for scope in held:
        if scope.startswith(PREFIX):
            level, mark, condition = scope.removeprefix(PREFIX).partition("!")
            asked.add(f"{PREFIX}{_LEVEL.get(level, level)}{mark}{condition}")
    return sorted(asked)


@contextmanager
def reading_token(user: Any, seconds: float, name: str = NAME) -> Iterator[str]:
    """A token of the Hub that reads in conda-store in the name of `user`, until the block ends or `seconds` are over.

    Runs in the Hub's process. Raises `AccessMissing`.
    """
    from jupyterhub import orm
    from jupyterhub.roles import get_roles_for, roles_to_scopes
    from sqlalchemy.orm import object_session

    scopes = reading(roles_to_scopes(get_roles_for(user.orm_user)), name)  # type: ignore[no-untyped-call]
    note = "conda-store: environments for a server"
    try:
        token = user.new_api_token(note=note, expires_in=int(seconds), scopes=scopes)
    except ValueError as error:
        raise AccessMissing(str(error)) from error
    try:
        yield token
    finally:
        session = object_session(user.orm_user)
        row = orm.APIToken.find(session, token)  # type: ignore[no-untyped-call]
        if session is not None and row is not None:
            session.delete(row)
            session.commit()
