"""A store in which one process at a time makes images and may be killed, and a registry that serves them meanwhile."""

from __future__ import annotations

import hashlib
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from sqlalchemy import select

from conda_store.builds.aftermath import Aftermath
from conda_store.builds.states import ArtifactState, ArtifactType, request_artifact
from conda_store.db.orm import TagRow
from conda_store.registry.manifests import Descriptor, children, parse_object
from tests.jobs import SHARED, Bench
from tests.registry_house import House, registry_of

IMAGE = ArtifactType.DOCKER_MANIFEST


@dataclass
class Forge:
    """Packages of a channel become images of a `bench`; `base` is what the next ones stand on."""

    bench: Bench
    house: House
    worker: subprocess.Popen[str]
    base: str = "scratch"

    @property
    def store(self) -> Path:
        return self.bench.settings.store_directory

    def build(self, name: str, packages: list[str]) -> int:
        """A completed build whose image nobody has asked for; each `name` is another specification."""
        source = f"dependencies: [{', '.join(packages)}]\nvariables: {{NAME: {name}}}\n"
        build = self.bench.submit(source, name)
        assert self._work(build)[0] == 0, self.bench.log(build)
        return build

    def make_image(self, build: int) -> int:
        """Make the image of a build, undisturbed; returns the steps that it took (see `killable`)."""
        self._ask(build)
        exit_code, steps = self._work(build)
        assert (exit_code, self.find_state(build)) == (0, ArtifactState.READY), self.bench.log(build)
        return steps

    def kill(self, build: int, step: int, delay: float) -> tuple[bool, int]:
        """Kill the process that makes an image some seconds after a step; whether it died before the image was there,
        and how many steps it went."""
        self._ask(build)
        exit_code, steps = self._work(build, step, delay)
        assert exit_code in (0, -signal.SIGKILL)
        return exit_code != 0 and self.find_state(build) == ArtifactState.MAKING, steps

    def find_state(self, build: int) -> ArtifactState | None:
        """The state of the image of a build, if anybody asked for it."""
        row = self.bench.artifacts(build).get(IMAGE)
        return ArtifactState(row.state) if row else None

    def settle(self) -> None:
        """The server finds that the worker is gone."""
        aftermath = Aftermath(self.bench.settings, self.bench.database)
        aftermath.leases_expired(datetime.now(UTC) + timedelta(hours=1))

    def unfinished(self) -> list[Path]:
        """What is being written, or was when a process ended."""
        return [path for name in ("tmp", "scratch") for path in (self.store / name).glob("*")]

    def listed(self) -> dict[tuple[str, str], str]:
        """The digests of all images by repository and tag."""
        with self.bench.database.read() as session:
            return {(row.repository, row.tag): row.digest for row in session.scalars(select(TagRow))}

    def check_served(self, listed: dict[tuple[str, str], str]) -> None:
        """Pull images as a client does that has nothing and compares everything."""
        # What the registry keeps in mind would hide what is gone.
        self.house.serve.forget()
        known: set[tuple[str, str]] = set()
        with httpx.Client(base_url=self.house.url, trust_env=False) as client:
            for (repository, tag), digest in listed.items():
                answer = client.get(f"{repository}/manifests/{tag}")
                assert (answer.status_code, digest_of(answer)) == (200, digest), answer.text
                for part in children(parse_object(answer.content, digest)):
                    if (repository, part.digest) not in known:
                        check_part(client, repository, part)
                        known.add((repository, part.digest))

    def _ask(self, build: int) -> None:
        """Somebody asks for the image of a build."""
        with self.bench.database.write() as session:
            request_artifact(session, build, IMAGE)

    def _work(self, build: int, step: int = 0, delay: float = 0.0) -> tuple[int, int]:
        """Let a process work on a build: how it ended, and after how many steps."""
        file = self.bench.directory / "settings.pickle"
        file.write_bytes(pickle.dumps(self.bench.having(build_artifacts=(), base_images=self.base)))
        assert self.worker.stdin is not None and self.worker.stdout is not None
        self.worker.stdin.write(f"{build} {step} {delay} {file}\n")
        self.worker.stdin.flush()
        exit_code, steps = self.worker.stdout.readline().split()
        return int(exit_code), int(steps)


def digest_of(answer: httpx.Response) -> str:
    """The digest of what came."""
    return f"sha256:{hashlib.sha256(answer.content).hexdigest()}"


def check_part(client: httpx.Client, repository: str, part: Descriptor) -> None:
    """A blob comes whole."""
    answer = client.get(f"{repository}/blobs/{part.digest}")
    assert (answer.status_code, len(answer.content), digest_of(answer)) == (200, part.size, part.digest)


@contextmanager
def running_forge(directory: Path, channel: Path) -> Iterator[Forge]:
    """A forge with a store of its own in `directory`."""
    bench = Bench(directory, directory, channel, "scratch", fresh=SHARED)
    command, root = [sys.executable, "-m", "tests.killable"], Path(__file__).parent.parent
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root, text=True) as worker,
        registry_of(bench.database, bench.storage) as house,
    ):
        yield Forge(bench, house, worker)
    bench.database.close()
