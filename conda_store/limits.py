"""The limits of a deployment as options, and the values that they become. Who keeps to them is elsewhere."""

from __future__ import annotations

from traitlets import Bool, Float, Integer
from traitlets.config import Configurable

from conda_store.builds.limits import Limits
from conda_store.managers.admission import LARGEST_LOCKFILE, LARGEST_SPECIFICATION, SubmissionLimits
from conda_store.managers.images import DynamicSettings


class BuildLimits(Configurable):
    """What one build may use, and what may be submitted."""

    max_solve_seconds = Float(
        300.0,
        allow_none=True,
        min=0,
        help="Seconds that the solver may take for one platform; then the build fails and says so. Most solves take "
        "under one second, and one that takes minutes rarely ends. 0 or None is without limit.",
    ).tag(config=True)
    max_build_seconds = Float(
        3600.0,
        allow_none=True,
        min=0,
        help="Seconds that a build may take from the start of its worker to its end, artifacts included; then it is "
        "ended and fails. An hour covers a slow network and hundreds of packages. 0 or None is without limit.",
    ).tag(config=True)
    max_memory_bytes = Integer(
        None,
        allow_none=True,
        min=0,
        help="Bytes of data that each process of a build may hold (RLIMIT_DATA); one that needs more fails. 1 GB is "
        "enough for 70 packages. None, the default, or 0 is without limit, since too small a one looks like a broken "
        "package. Example: 2_000_000_000",
    ).tag(config=True)
    max_packages = Integer(
        5000,
        allow_none=True,
        min=0,
        help="Packages that an environment may have on one platform, conda's and pip's together; looked at when it is "
        "solved, before anything is fetched. Large environments have some 500. 0 or None is without limit.",
    ).tag(config=True)
    max_download_bytes = Integer(
        None,
        allow_none=True,
        min=0,
        help="Bytes that a build may have to fetch for one platform, without what the store has; looked at before "
        "anything is fetched. None, the default, or 0 is without limit. Example: 20_000_000_000",
    ).tag(config=True)
    max_specification_bytes = Integer(
        LARGEST_SPECIFICATION,
        min=1,
        max=LARGEST_SPECIFICATION,
        help="Bytes of the largest environment.yaml that is taken; a larger one is answered with 400. It can only be "
        "lowered: 10,000 dependencies fit into the default of 1 MiB.",
    ).tag(config=True)
    max_lockfile_bytes = Integer(
        LARGEST_LOCKFILE,
        min=1,
        max=LARGEST_LOCKFILE,
        help="Bytes of the largest conda-lock.yml that is taken; a larger one is answered with 400. It can only be "
        "lowered: 500 packages for five platforms are 2 MB, the default is 16 MiB.",
    ).tag(config=True)
    max_queued_builds_per_namespace = Integer(
        1000,
        allow_none=True,
        min=0,
        help="Builds of one namespace that may wait for a worker; one more is answered with 429 until some have begun. "
        "It stops a program that submits in a loop, and is no quota: builds of different namespaces take turns "
        "anyway. 0 or None is without limit.",
    ).tag(config=True)

    def of_builds(self) -> Limits:
        """What workers keep to."""
        return Limits(
            solve_seconds=self.max_solve_seconds or None,
            build_seconds=self.max_build_seconds or None,
            memory_bytes=self.max_memory_bytes or None,
            packages=self.max_packages or None,
            download_bytes=self.max_download_bytes or None,
        )

    def of_submissions(self) -> SubmissionLimits:
        """What a submission is held against."""
        queued = self.max_queued_builds_per_namespace or None
        return SubmissionLimits(self.max_specification_bytes, self.max_lockfile_bytes, queued)


class OnDemandImages(Configurable):
    """Images that are made when somebody pulls `conda-store-dynamic/<package>/…`."""

    enabled = Bool(
        True,
        help="Make images on demand. When it is off, a pull of one that is not there yet is refused with this reason; "
        "those made before can still be pulled.",
    ).tag(config=True)
    anonymous = Bool(
        False,
        help="Let everybody who reaches the server ask for images on demand, without credentials. Off by default, "
        "since each new name costs a build; otherwise it takes the right to create environments.",
    ).tag(config=True)
    reuse_seconds = Float(
        24 * 3600.0,
        min=0,
        help="Seconds that an image answers its name before the next pull solves again, and so may find newer "
        "packages. A day by default: the same name means the same image on all machines of a day's work.",
    ).tag(config=True)
    failure_seconds = Float(
        30.0,
        min=0,
        help="Seconds that a failure answers its name before the next pull tries again. docker asks for what it was "
        "refused once more, so not 0.",
    ).tag(config=True)
    hold_seconds = Float(
        540.0,
        min=0,
        help="Seconds that a pull is held while its image is being made, also for the image of a build; then it is "
        "answered with 404, and the work goes on. Most clients wait ten minutes, proxies in front may wait less.",
    ).tag(config=True)
    max_pending = Integer(
        20,
        min=1,
        help="Images on demand that may be waiting or in the making at once; one more is answered with 429. It keeps "
        "workers free for the builds of people.",
    ).tag(config=True)

    max_pending_per_caller = Integer(
        5,
        min=1,
        help="Images on demand that may be waiting or in the making for one caller (a user; without credentials, an "
        "address) at once; one more is answered with 429, so that one program in a loop leaves room for others.",
    ).tag(config=True)
    max_packages = Integer(
        500,
        allow_none=True,
        min=0,
        help="Packages that an image on demand may have on one platform; looked at when it is solved, before anything "
        "is fetched. Fewer than c.BuildLimits.max_packages, since nobody has looked at what was asked for. 0 or None "
        "is without limit of its own.",
    ).tag(config=True)
    max_download_bytes = Integer(
        10_000_000_000,
        allow_none=True,
        min=0,
        help="Bytes that an image on demand may have to fetch for one platform, without what the store has; looked at "
        "before anything is fetched. 10 GB hold the largest sets of packages for processing on GPUs. 0 or None is "
        "without limit of its own.",
    ).tag(config=True)
    keep_seconds = Float(
        30 * 24 * 3600.0,
        min=0,
        help="Seconds that an image on demand is served after it was made or pulled last; a month by default. Pulls "
        "are noted by the hour. Afterwards it is made again when somebody asks.",
    ).tag(config=True)

    def of_builds(self) -> Limits:
        """What workers keep to for images on demand, besides the limits of all builds."""
        most, size = self.max_packages or None, self.max_download_bytes or None
        return Limits(packages=most, download_bytes=size, options="c.OnDemandImages")

    def settings(self) -> DynamicSettings:
        """What the registry keeps to."""
        return DynamicSettings(
            reuse_seconds=self.reuse_seconds,
            failure_seconds=self.failure_seconds,
            hold_seconds=self.hold_seconds,
            keep_seconds=self.keep_seconds,
            pending=self.max_pending,
            pending_per_caller=self.max_pending_per_caller,
            enabled=self.enabled,
            anonymous=self.anonymous,
        )
