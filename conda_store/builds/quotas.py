"""How much a namespace may have: bytes, environments, builds at once. How the numbers come about is `policies`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from conda_store.builds.levels import EVERYWHERE
from conda_store.builds.policies import Policy, Quota, read_policy
from conda_store.builds.states import Status
from conda_store.db.orm import BuildRow, EnvironmentRow, NamespaceRow, SettingRow
from conda_store.errors import CondaStoreError
from conda_store.packages.channels import ChannelPolicy
from conda_store.settings import Values

_RUNNING = "quota_running_builds"


class QuotaExceeded(CondaStoreError):
    """A namespace has as much as it may; the message names the quota and the level that sets it."""

    status = 429
    code = "quota_exceeded"


def check_environments(session: Session, namespace: NamespaceRow, policy: Policy) -> None:
    """Raises `QuotaExceeded` when the environments of a namespace, a new one among them, are too many."""
    quota = policy.quotas.get("quota_environments")
    if quota is None:
        return
    here = (EnvironmentRow.namespace_id == namespace.id, EnvironmentRow.deleted_on.is_(None))
    count = session.scalar(select(func.count()).select_from(EnvironmentRow).where(*here)) or 0
    if count > quota.most:
        raise QuotaExceeded(
            f"The namespace '{namespace.name}' has {count - 1:,} environments, as many as {quota.level} allows "
            "(quota_environments): delete some, or ask an administrator."
        )


def check_bytes(session: Session, namespace: NamespaceRow, policy: Policy, more: int = 0) -> None:
    """Raises `QuotaExceeded` when the builds of a namespace are as large as they may be, or would be with `more`."""
    quota = policy.quotas.get("quota_bytes")
    if quota is None:
        return
    query = select(func.sum(BuildRow.size)).join(EnvironmentRow, BuildRow.environment)
    used = session.scalar(query.where(EnvironmentRow.namespace_id == namespace.id, BuildRow.deleted_on.is_(None)))
    total = int(used or 0)
    if total + max(more, 1) > quota.most:
        needed = f"; this build needs {more:,} more" if more else ""
        raise QuotaExceeded(
            f"The builds of the namespace '{namespace.name}' have {total:,} bytes{needed}, and {quota.level} allows "
            f"{quota.most:,} (quota_bytes): delete builds, or ask an administrator."
        )


def full_namespaces(session: Session, namespaces: Iterable[int], running: Collection[int], options: Values) -> set[int]:
    """Those of `namespaces` (ids) in which as many builds run as may; `running` ones have just been begun."""
    wanted = set(namespaces)
    limited = wanted if options.get(_RUNNING) else wanted & _limited(session)
    if not limited:
        return set()
    query = select(EnvironmentRow.namespace_id).select_from(BuildRow).join(EnvironmentRow, BuildRow.environment)
    begun = (BuildRow.status == Status.BUILDING) | ((BuildRow.status == Status.QUEUED) & BuildRow.id.in_(running))
    counts = Counter(session.scalars(query.where(begun, EnvironmentRow.namespace_id.in_(limited))))
    found = set()
    for namespace_id in limited & counts.keys():
        quota = _running_quota(session, namespace_id, options)
        if quota is not None and counts[namespace_id] >= quota.most:
            found.add(namespace_id)
    return found


def _limited(session: Session) -> set[int]:
    rows = session.scalars(select(SettingRow.namespace_id).where(SettingRow.name == _RUNNING)).all()
    everywhere = EVERYWHERE in rows
    return set(session.scalars(select(NamespaceRow.id))) if everywhere else set(rows)


def _running_quota(session: Session, namespace_id: int, options: Values) -> Quota | None:
    namespace = session.get(NamespaceRow, namespace_id)
    return read_policy(session, namespace, None, options, ChannelPolicy()).quotas.get(_RUNNING)
