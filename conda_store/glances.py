"""What `api/v1/overview/` answers with: all environments of a caller in one answer, for who keeps a list up to date."""

from __future__ import annotations

from conda_store.models import Model, Status, Time


class EnvironmentGlance(Model):
    """An environment, its current build and the newest of its builds, which may be the same; `size` in bytes.

    The current build may be deleted. `role` is the highest that the caller has there.
    """

    namespace: str
    name: str
    description: str
    build_id: int
    status: Status
    size: int
    scheduled_on: Time
    ended_on: Time | None
    deleted_on: Time | None
    newest_id: int
    newest_status: Status
    role: str


class Everything(Model):
    """All that the caller may read. `roles` are what each role may do, `writable` where new environments may go."""

    environments: list[EnvironmentGlance]
    roles: dict[str, list[str]]
    writable: list[str]
