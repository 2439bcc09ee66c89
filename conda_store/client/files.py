"""What a build left, from the server to a path."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import httpx

from conda_store.client.answers import Image, ServerBusy, ServerRefused, ServerUnreachable
from conda_store.client.connection import Speaker, quoted
from conda_store.client.download import Download, Report, written_whole
from conda_store.client.patience import Patience
from conda_store.errors import BadInput

#: What can be downloaded: its path below a build.
ARTIFACTS: Mapping[str, str] = {
    "yaml": "yaml/",
    "lockfile": "conda-lock.yml",
    "archive": "archive/",
    "logs": "logs/",
    "installer": "installer/",
    "sbom": "sbom/",
}
# The server holds a download for up to five minutes while the artifact is being made.
_DOWNLOAD_TIMEOUT = httpx.Timeout(330.0, connect=10.0)


class Files(Speaker):
    """Artifacts: fetched, and named."""

    def image(self, build_id: int) -> str:
        """The reference under which docker pulls the image of a build, such as `localhost:5000/default/data:latest`."""
        with self._connection.open("GET", f"build/{build_id}/docker/") as response:
            return response.read().decode("utf-8", "replace").strip()

    def image_reference(self, build_id: int) -> Image:
        """The same with the digest and all tags of the image."""
        headers = {"Accept": "application/json"}
        return self._connection.data("GET", f"build/{build_id}/docker/", Image.of, headers=headers)

    def download(
        self, subject: int | tuple[str, str], artifact: str, path: Path, progress: Report | None = None
    ) -> Path:
        """Write an artifact (a key of `ARTIFACTS`) of a build, or of an environment's current build, to `path`.

        One that is not made yet is waited for. The file appears whole or not at all. `progress` is told bytes so far
        and bytes in all. Raises `BadInput` for an unknown artifact or a path that cannot be written.
        """
        if artifact not in ARTIFACTS:
            raise BadInput(f"'{artifact}' is not something to download: choose one of {', '.join(ARTIFACTS)}.")
        build_id = subject if isinstance(subject, int) else self._current(*subject)
        patience = Patience(self.patience_seconds)
        with written_whole(path) as file:
            download, whole = Download(file, progress), False
            while not whole:
                with patience.bearing():
                    self._fetch(f"build/{build_id}/{ARTIFACTS[artifact]}", download, patience)
                    whole = True
        return path

    def archive_tag(self, build_id: int) -> str:
        """What tells the archive of a build from every other one of this server; one that is not made is waited for."""
        patience = Patience(self.patience_seconds)
        while True:
            with patience.bearing():
                return self._tag(f"build/{build_id}/{ARTIFACTS['archive']}", patience) or f"build {build_id}"

    def _tag(self, path: str, patience: Patience) -> str | None:
        # Not HEAD: only an error with a body says whether the archive is on its way.
        headers = {"Accept-Encoding": "identity", "Range": "bytes=0-0"}
        try:
            with self._connection.open(
                "GET", path, headers=headers, timeout=_DOWNLOAD_TIMEOUT, follow_redirects=True
            ) as response:
                tag: str | None = response.headers.get("etag")
                return tag
        except ServerBusy as error:
            patience.heard(error)
            raise

    def _current(self, namespace: str, name: str) -> int:
        path = f"environment/{quoted(namespace)}/{quoted(name)}/"
        return self._connection.data("GET", path, lambda data: int(data["current_build_id"]))

    def _fetch(self, path: str, download: Download, patience: Patience) -> None:
        """Take what is missing of a file, or as much of it as comes."""
        had, headers = download.received, download.headers()
        try:
            with self._connection.open(
                "GET", path, headers=headers, timeout=_DOWNLOAD_TIMEOUT, follow_redirects=True
            ) as response:
                patience.connected()
                partial = response.status_code == httpx.codes.PARTIAL_CONTENT
                download.take(partial, response.headers, response.iter_raw())
        except ServerBusy as error:
            patience.heard(error)
            raise
        except ServerRefused as error:
            if error.status != httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE or not had:
                raise
            download.restart()
            raise ServerUnreachable(f"{self.url} has less of the file than it sent before.") from error
        finally:
            if download.received > had:
                patience.came()
