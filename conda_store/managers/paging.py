"""Pages: which rows a request means, whatever it is a page of."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Select
from sqlalchemy.orm import InstrumentedAttribute, Session

from conda_store.db import lists
from conda_store.db.lists import Order
from conda_store.db.orm import Base
from conda_store.errors import BadInput
from conda_store.inputs import CursorQuery, PageQuery
from conda_store.models import CursorPage, Model, Page

Row = TypeVar("Row", bound=Base)
M = TypeVar("M", bound=Model)
Counted = Callable[[Session, Select[Any]], int]


def order_of(
    query: PageQuery | CursorQuery,
    sorts: Mapping[str, InstrumentedAttribute[Any]],
    identity: InstrumentedAttribute[Any],
    default: Sequence[str],
) -> Order:
    """The order that a request means; names that do not exist are ignored."""
    chosen = [name for name in dict.fromkeys(query.sort_by) if name in sorts] or default
    columns = tuple(sorts[name] for name in chosen)
    return Order(columns, identity, query.descending)


def page_of(
    session: Session,
    rows: Select[Row],
    order: Order,
    asked: PageQuery,
    most: int,
    show: Callable[[Row], M],
    *,
    all_by_default: bool = False,
    counted: Counted = lists.count,
) -> Page[M]:
    """One page of at most `most` rows; all of them when nothing was asked for and `all_by_default` says so."""
    count = counted(session, rows)
    if all_by_default and asked.page is None and asked.size is None:
        found = lists.page(session, rows, order, 0, None)
        return Page.model_construct(data=[show(row) for row in found], page=1, size=max(count, 1), count=count)
    number, size = asked.page or 1, min(asked.size or most, most)
    found = lists.page(session, rows, order, (number - 1) * size, size)
    return Page.model_construct(data=[show(row) for row in found], page=number, size=size, count=count)


def cursor_page_of(
    session: Session,
    rows: Select[Row],
    order: Order,
    asked: CursorQuery,
    most: int,
    show: Callable[[Row], M],
    key: Callable[[Row], Sequence[Any]],
    counted: Counted = lists.count,
) -> CursorPage[M]:
    """The rows behind a cursor; `key` gives what a row is sorted by, its id last."""
    last = read_cursor(asked.cursor, len(order.all)) if asked.cursor else None
    size = min(asked.limit or most, most)
    found = lists.page_after(session, rows, order, last, size + 1)
    cursor = write_cursor(key(found[size - 1])) if len(found) > size else None
    count = counted(session, rows)
    return CursorPage.model_construct(data=[show(row) for row in found[:size]], cursor=cursor, count=count)


def write_cursor(values: Sequence[Any]) -> str:
    """A place in a list as URL-safe base64 (RFC 4648, 5)."""
    return base64.urlsafe_b64encode(json.dumps(list(values)).encode()).decode()


def read_cursor(text: str, size: int) -> list[Any]:
    """The values in a cursor: texts, and the number of a row last. Raises `BadInput` for what we did not write."""
    try:
        values = json.loads(base64.b64decode(text.encode(), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        values = None
    if not isinstance(values, list) or len(values) != size or not _is_place(values):
        raise BadInput("The cursor is not one that this server gave for this order: begin again without it.")
    return values


def _is_place(values: list[Any]) -> bool:
    *texts, identity = values
    return all(isinstance(one, str) for one in texts) and type(identity) is int and 0 <= identity < 2**31
