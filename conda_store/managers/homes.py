"""Where an environment goes whose author names no namespace."""

from __future__ import annotations

from sqlalchemy.orm import Session

from conda_store.auth.permissions import NO_HOME, Identity
from conda_store.builds.levels import of_deployment
from conda_store.settings import Values


def home_of(session: Session, identity: Identity, options: Values) -> str:
    """The caller's own namespace, else the setting default_namespace."""
    if identity.primary_namespace != NO_HOME:
        return identity.primary_namespace
    return str(of_deployment(session, options)["default_namespace"])
