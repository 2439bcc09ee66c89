"""Server-sent events, read from bytes as they come (HTML standard, 9.2.6). No HTTP here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from conda_store.client.answers import AnswerUnreadable

# A line of a log is far smaller; a stream without line ends would fill the memory.
_LONGEST_EVENT_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Event:
    """What happened in a build: `kind` is log, progress, status or artifact.

    `number` counts up within a build. `data` has `time` (naive UTC) and, by kind: `text`; `stage`, and any of `total`,
    `done`, `note`, `summary`, `seconds`; `status`, `status_info`; `artifact_type`, `state`, `size`, `reason`.
    """

    number: int
    kind: str
    data: Mapping[str, Any]


@dataclass
class EventDecoder:
    """Takes the chunks of one connection and gives events; half an event at the end of a connection is no event.

    `retry_seconds` is the pause before the next connection that the server asked for.
    """

    retry_seconds: float = 1.0
    _rest: bytearray = field(default_factory=bytearray)
    _fields: dict[str, list[str]] = field(default_factory=dict)

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that end in `chunk`. Raises `AnswerUnreadable`."""
        self._rest += chunk
        *lines, rest = self._rest.split(b"\n")
        self._rest = rest
        if len(rest) > _LONGEST_EVENT_BYTES:
            raise AnswerUnreadable("The stream of events holds a line without end.")
        for line in lines:
            event = self._line(line.decode("utf-8", "replace").removesuffix("\r"))
            if event is not None:
                yield event

    def _line(self, line: str) -> Event | None:
        if not line:
            found, self._fields = self._fields, {}
            return _event(found) if "data" in found else None
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "retry" and value.isascii() and value.isdigit():
            self.retry_seconds = int(value) / 1000
        elif name:
            self._fields.setdefault(name, []).append(value)
        return None


def _event(fields: Mapping[str, list[str]]) -> Event:
    try:
        data = json.loads("\n".join(fields["data"]))
        if not isinstance(data, dict):
            raise ValueError("no object")
        return Event(int(fields["id"][-1]), fields["event"][-1], data)
    except (KeyError, ValueError) as error:
        raise AnswerUnreadable(f"The stream of events holds one that is none of conda-store's: {error}.") from error
