"""One build in a worker process: claim it, build, publish, make its artifacts; whatever happens ends in a state.

Nothing that others see is changed outside of a transaction which holds the build's lease: the prefix appears, the
packages are recorded, the build is COMPLETED and the link to the current one moves in one step.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from conda_store.builds.artifacts import ArtifactMaker
from conda_store.builds.current import show_current
from conda_store.builds.environment import Environment
from conda_store.builds.events import log_lines
from conda_store.builds.kept_log import keep_log
from conda_store.builds.leases import CancelRequested, Lease, StaleLease, held
from conda_store.builds.logs import BuildLog, LoggedProgress
from conda_store.builds.publishing import PublishedImage
from conda_store.builds.quotas import check_bytes
from conda_store.builds.reasons import reason_of
from conda_store.builds.recording import lock_record, read_lock_record, record_build_packages, record_packages
from conda_store.builds.request import BuildRequest
from conda_store.builds.runner import Build
from conda_store.builds.states import (
    ArtifactState,
    ArtifactType,
    Status,
    claim,
    claim_artifacts,
    complete,
    fail,
    set_artifact,
)
from conda_store.builds.subject import JobSettings, Subject, read_subject
from conda_store.builds.workplace import Workplace
from conda_store.db.orm import BuildRow
from conda_store.errors import CondaStoreError, StorageFull
from conda_store.image_options import ImageOptions
from conda_store.packages.locked import Lock
from conda_store.pieces.bytecode import machine_platform
from conda_store.specification import Specification
from conda_store.storage.base import NotStored
from conda_store.storage.uses import working

LOCK_RECORD = "lock.json"


def run_job(settings: JobSettings, build_id: int, token: str | None = None, workplace: Workplace | None = None) -> None:
    """Do what there is to do for a build: build it when it is QUEUED, make artifacts when it is COMPLETED.

    Whoever ends this process knows its lease by `token` (`leases.find_lease`). Returns when the build is in a final
    state and no artifact is WAITING, or when another worker has it. Raises only what stops the database or the store
    from being used.
    """
    place = workplace or Workplace(settings)
    database = place.database
    try:
        with database.write() as session:
            lease = claim(session, build_id, settings.lease_seconds, token)
            lease = lease or claim_artifacts(session, build_id, settings.lease_seconds, token)
        if lease is not None:
            with working(settings.store_directory), BuildLog(database, lease, settings.lease_seconds) as log:
                Job(settings, place, lease, log).run()
    finally:
        database.close()


class Job:
    """The work under one lease."""

    def __init__(self, settings: JobSettings, place: Workplace, lease: Lease, log: BuildLog) -> None:
        self.settings, self.database, self.lease, self.log = settings, place.database, lease, log
        self.workshop = place.workshop

    def run(self) -> None:
        """Build, then make artifacts."""
        try:
            with self.database.read() as session:
                status = session.get_one(BuildRow, self.lease.build_id).status
                subject = read_subject(session, self.lease.build_id, self.settings)
            self.workshop.solver.timeout_seconds = float(subject.settings["conda_max_solve_time"]) or None
            engine = self._engine(subject)
            maker = self._built(engine, subject) if status == Status.BUILDING else self._restored(engine, subject)
            maker.make_all()
        except StaleLease:
            # Whoever took over knows better; what was made here are pieces, and nobody else's business.
            return
        except CancelRequested:
            # The executor ends this process anyway, and undoes what it left when it is sure that it is gone.
            return
        except Exception as error:
            self._fail(error)

    def _engine(self, subject: Subject) -> Build:
        settings = self.settings
        self.workshop.policy, self.workshop.gate.credentials = subject.policy.channels, subject.credentials
        request = BuildRequest(
            source=subject.source,
            is_written=subject.prefix is not None,
            default_name=subject.environment,
            default_platforms=tuple(subject.settings["conda_solve_platforms"]),
            prefix=subject.prefix,
            base_images=settings.base_images,
            images=settings.images.under(ImageOptions.read(subject.settings["image"])),
            registry_access=settings.registry_access,
            packages=subject.policy.packages,
        )
        return Build(self.workshop, request, machine_platform(), LoggedProgress(self.log))

    def _built(self, engine: Build, subject: Subject) -> ArtifactMaker:
        self.log.add(*log_lines(f"Build {subject.build_id} of {subject.namespace}/{subject.environment}"))
        specification, lock = engine.lock()
        self._check(engine, subject, lock)
        environments = {}
        platform = engine.machine if engine.machine in lock.platforms else next(iter(lock.platforms))
        environment = environments[platform] = engine.environment(lock.platforms[platform])
        with self.database.write() as session:
            packages = record_packages(session, environment, lock.platforms[platform])
        maker = self._maker(engine, subject, specification, lock, environments)
        self._publish(maker, platform, packages)
        return maker

    def _check(self, engine: Build, subject: Subject, lock: Lock) -> None:
        on_demand = (self.settings.on_demand_limits,) if subject.prefix is None else ()
        for limits in (*on_demand, self.settings.limits):
            limits.check_packages(lock)
            for one in lock:
                missing = engine.workshop.packages.missing(one.conda)
                limits.check_download(sum(package.size or 0 for package in missing), one.platform)

    def _publish(self, maker: ArtifactMaker, platform: str, packages: list[int]) -> None:
        subject = maker.subject
        if subject.prefix is None:
            with self._appearing(maker, packages, 0, maker.image()):
                return
        if platform != maker.build.machine:
            with self._appearing(maker, packages, 0):
                return
        make_folder(subject.prefix.parent)
        environment = maker.environments[platform]
        size = sum(package.size for package in environment.ownership.order)
        with self.database.read() as session:
            namespace = session.get_one(BuildRow, self.lease.build_id).environment.namespace
            check_bytes(session, namespace, subject.policy, size)
        appearing = partial(self._appearing, maker, packages, size)
        maker.build.install(maker.specification, environment, subject.prefix, appearing)

    @contextmanager
    def _appearing(
        self, maker: ArtifactMaker, packages: list[int], size: int, image: PublishedImage | None = None
    ) -> Iterator[None]:
        """The step from BUILDING to COMPLETED; the prefix appears inside, so both are there or neither."""
        self.log.flush()
        with self.database.write() as session:
            held(session, self.lease)
            yield
            record = lock_record(maker.specification, maker.lock)
            self.workshop.storage.put(maker.subject.key(LOCK_RECORD), record)
            record_build_packages(session, self.lease.build_id, packages)
            build = complete(session, self.lease, size=size)
            if size:
                maker.ready(session, ArtifactType.DIRECTORY, str(maker.subject.prefix), size)
            if image is not None:
                maker.publish(session, image)
            for wanted in (*(() if image else maker.subject.artifacts), ArtifactType.LOGS):
                set_artifact(session, self.lease, wanted, ArtifactState.WAITING)
            show_current(session, build.environment, self.settings.places)

    def _restored(self, engine: Build, subject: Subject) -> ArtifactMaker:
        """For artifacts of a build that was completed before: its own lock, not what would be solved today."""
        try:
            specification, lock = read_lock_record(self.workshop.storage.get(subject.key(LOCK_RECORD)))
        except (NotStored, ValueError, LookupError, TypeError) as error:
            raise CondaStoreError(
                f"The store has lost the lock of build {subject.build_id}, so nothing more can be made of it: build "
                "the environment again."
            ) from error
        return self._maker(engine, subject, specification, lock, {})

    def _maker(
        self,
        engine: Build,
        subject: Subject,
        specification: Specification,
        lock: Lock,
        environments: dict[str, Environment],
    ) -> ArtifactMaker:
        return ArtifactMaker(self.database, self.lease, self.log, engine, subject, specification, lock, environments)

    def _fail(self, error: Exception) -> None:
        reason = reason_of(error, self.settings.store_directory)
        with suppress(CondaStoreError):
            # On a full disk there may be room for the reason, and none for the rest of the log.
            self.log.flush()
        with suppress(StaleLease, CancelRequested), self.database.write() as session:
            keep_log(session, self.workshop.storage, fail(session, self.lease, reason))


def make_folder(path: Path) -> None:
    """Make a directory and those above it. Raises `StorageFull` naming it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageFull(f"The directory {path} for prefixes cannot be made: {error.strerror}.") from error
