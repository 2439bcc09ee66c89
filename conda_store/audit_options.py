"""The audit trail's options."""

from __future__ import annotations

from traitlets import Float
from traitlets.config import Configurable


class AuditTrail(Configurable):
    """Who did what, when and from where; docs/audit.md tells what is kept, and who sees it."""

    keep_days = Float(
        365.0,
        min=0,
        help="Days after which an entry of the audit trail is removed; it is looked for every hour. A year by default, "
        "since names and addresses of people should not be kept for ever, and the database should not grow for ever. "
        "0 keeps all.",
    ).tag(config=True)
