"""Where a credential could have left a trace: files, arguments of processes, and all that a server answers."""

from __future__ import annotations

import gzip
import zlib
from collections import defaultdict
from pathlib import Path

import httpx
import zstandard
from tornado.web import RequestHandler

from conda_store.handlers.routes import ROUTES
from tests.server import Server


def text_of(*roots: Path) -> str:
    """Every byte of every file below, of compressed ones also what is in them."""
    files = [path for root in roots for path in ([root] if root.is_file() else root.rglob("*"))]
    return "\n".join(_text(path.read_bytes()) for path in files if path.is_file() and not path.is_symlink())


def _text(data: bytes) -> str:
    try:
        if data.startswith(b"\x1f\x8b"):
            data += gzip.decompress(data)
        elif data.startswith(b"\x28\xb5\x2f\xfd"):
            data += zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read()
    except (OSError, EOFError, zlib.error, zstandard.ZstdError):
        pass
    return data.decode("latin-1")


def arguments_of_all() -> str:
    """What anybody on this machine can read of its processes."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().decode("latin-1"))
        except OSError:
            continue
    return "\n".join(found)


def every_answer(server: Server, name: str, build_id: int, namespace: str = "default") -> list[httpx.Response]:
    """What every route that answers GET says of an environment and its build."""
    values = defaultdict(
        lambda: "1", {"namespace": namespace, "name": name, "build": str(build_id), "other": str(build_id)}
    )
    values |= {"file": "style.css", "document": "policy"}
    paths = [route.path for route in ROUTES if route.handler.get is not RequestHandler.get]
    assert len(paths) > 40
    found = [server.web.get(path.format_map(values)) for path in paths]
    listed = (httpx.get(f"{server.root}/v2/{path}") for path in ("_catalog", f"{namespace}/{name}/tags/list"))
    return [*found, *listed]


def text_of_answers(answers: list[httpx.Response]) -> str:
    """Their heads and bodies."""
    return "".join(f"{one.headers}\n{_text(one.content)}" for one in answers)
