"""The options of garbage collection."""

from __future__ import annotations

from traitlets import Float, Integer
from traitlets.config import Configurable

from conda_store.managers.collecting import CollectionPolicy


class GarbageCollection(Configurable):
    """What is removed from the disk and when; docs/operations.md tells what is never removed."""

    interval_hours = Float(
        24.0,
        min=0,
        help="Hours between two collections that the server makes by itself. A day by default, so that a disk does not "
        "fill with what was deleted; the first one comes that long after the first start. 0 leaves it to "
        "`conda-store gc` and to administrators.",
    ).tag(config=True)
    keep_deleted_days = Float(
        7.0,
        min=0,
        help="Days that prefix, files and rows of a deleted build, or of those of a deleted environment, stay: for "
        "whoever has something running there, and for a person who repairs the database by hand; a week by default. "
        "Artifacts of the setting build_artifacts_kept_on_deletion stay longer. 0 removes them at the next collection.",
    ).tag(config=True)
    keep_builds = Integer(
        None,
        allow_none=True,
        min=0,
        help="Ended builds that each environment keeps besides its current one; older ones are deleted, as if a person "
        "did it. None by default, which keeps all. Example: 5",
    ).tag(config=True)
    keep_days = Float(
        None,
        allow_none=True,
        min=0,
        help="Days after its end at which a build that is not current is deleted, as if a person did it. None by "
        "default, which keeps all. Example: 365",
    ).tag(config=True)
    keep_pieces_days = Float(
        30.0,
        min=0,
        help="Days after their last use that layers, archive members, bytecode and unpacked packages stay which no "
        "build needs: the next build that has use for them is made in seconds. A month by default. 0 keeps none.",
    ).tag(config=True)
    grace_hours = Float(
        24.0,
        min=0,
        help="Hours that something new stays although nothing needs it yet. A day by default. What a running build "
        "uses stays in any case, however long it runs; this is for clocks that are wrong and for hands in the store.",
    ).tag(config=True)

    def policy(self) -> CollectionPolicy:
        """What the collector keeps to."""
        return CollectionPolicy(
            keep_deleted_days=self.keep_deleted_days,
            keep_builds=self.keep_builds,
            keep_days=self.keep_days,
            keep_pieces_days=self.keep_pieces_days,
            grace_hours=self.grace_hours,
            interval_hours=self.interval_hours,
        )
