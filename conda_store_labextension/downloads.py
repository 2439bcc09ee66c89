"""`POST conda-store/save/`: what a build left, from conda-store into a folder of the file browser."""

from __future__ import annotations

from collections.abc import Mapping
from email.message import Message
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tornado import web

from conda_store.errors import BadInput
from conda_store_labextension.folders import file_name, folder_of, new_file
from conda_store_labextension.handlers import Handler
from conda_store_labextension.targets import artifact_of

if TYPE_CHECKING:
    import httpx

_NAMES = {
    "yaml": "environment.yaml",
    "archive": "environment.tar.gz",
    "installer": "environment.sh",
    "sbom": "sbom.spdx.json",
    "logs": "build.log",
}
_LOCKFILE = "conda-lock.yml"
_CHUNK_BYTES = 1024 * 1024


class SaveHandler(Handler):
    """Saves a download; who sent the request and leaves, cancels it."""

    @web.authenticated
    async def post(self) -> None:
        """Save, and tell where."""
        await self.check("contents", "write")
        asked = _Asked(self.get_json_body())
        self.begin(self._save(asked))
        await self.ended()

    async def _save(self, asked: _Asked) -> None:
        target, artifact = artifact_of(asked.path)
        folder = await folder_of(self.contents_manager, asked.directory)
        name = None if asked.name is None else file_name(asked.name)
        upstream = self.parts.upstream
        async with upstream.open("GET", target, {"Accept-Encoding": "identity"}) as response:
            await upstream.require_success(response)
            async with new_file(folder) as file:
                async for chunk in response.aiter_bytes(_CHUNK_BYTES):
                    await file.write(chunk)
                kept = await file.keep(name or _named(response, artifact))
        path = Path(asked.directory.strip("/"), kept.name).as_posix()
        self.log.info("conda-store: saved %s", path)
        self.answer({"path": path, "size": file.size}, 201)


class _Asked:
    """The body of a request. Raises `BadInput`."""

    def __init__(self, body: Any) -> None:
        given: Mapping[str, Any] = body if isinstance(body, dict) else {}
        texts = [given.get("path"), given.get("directory", ""), given.get("name", "")]
        if not all(isinstance(one, str) for one in texts) or not given.get("path"):
            raise BadInput(
                "Say what to save, and in which folder: {'path': 'api/v1/build/7/lockfile/', 'directory': 'data'}, and "
                "'name' for another name than its own."
            )
        self.path: str = given["path"]
        self.directory: str = given.get("directory", "")
        self.name: str | None = given.get("name") or None


def _named(response: httpx.Response, artifact: str) -> str:
    """The name that conda-store gives to a download, as far as a file may be called so."""
    header = Message()
    header["Content-Disposition"] = response.headers.get("Content-Disposition", "")
    given = (header.get_filename() or "").replace("\\", "/").rpartition("/")[2].lstrip(".")
    try:
        return file_name(given)
    except BadInput:
        return _NAMES.get(artifact, _LOCKFILE)
