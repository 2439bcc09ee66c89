"""What the Hub's page shows before a server starts: a list to choose an environment from. It needs no script."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import groupby

from conda_store.hub.offers import Offer

_LONGEST = 80


def form(offers: Sequence[Offer], last: str, without: str, page: str) -> str:
    """The HTML of the choice, with `last` chosen when it is offered.

    `without` is what a server without environment is, `page` the address of conda-store for people, if there is one.
    """
    known = any(offer.path == last for offer in offers)
    notes = [] if known or not last else [f"{last}, which was chosen last, cannot be chosen any more."]
    if not offers:
        notes.append("There is no environment yet that can run a server and that you may use.")
    else:
        notes.append("The server, its terminals and its notebooks run in the environment.")
    options = [_option("", without, chosen=not known)]
    for namespace, group in groupby(offers, key=lambda offer: offer.namespace):
        listed = "".join(_option(offer.path, _label(offer), chosen=offer.path == last) for offer in group)
        options.append(f'<optgroup label="{escape(namespace)}">{listed}</optgroup>')
    return _whole("".join(options), " ".join(escape(note) for note in notes) + _link(page))


def form_without_offers(reason: str, without: str, page: str) -> str:
    """The HTML when environments cannot be listed: why, and the way to start all the same."""
    alert = (
        f'<div class="alert alert-warning" role="alert">No environment can be chosen now. {escape(reason)} '
        '<a href="">Try again</a></div>'
    )
    return alert + _whole(_option("", without, chosen=True), _link(page).strip())


def _whole(options: str, note: str) -> str:
    return (
        '<div class="form-group mb-3"><label class="form-label" for="conda-store-environment">Environment</label>'
        '<select class="form-control form-select" id="conda-store-environment" name="environment" '
        f'aria-describedby="conda-store-note">{options}</select>'
        f'<div class="form-text" id="conda-store-note">{note}</div></div>'
    )


def _option(value: str, label: str, *, chosen: bool) -> str:
    return f'<option value="{escape(value)}"{" selected" if chosen else ""}>{escape(label)}</option>'


def _label(offer: Offer) -> str:
    described = " ".join(offer.description.split())
    if len(described) > _LONGEST:
        described = f"{described[:_LONGEST]}…"
    # With its namespace: a closed list shows nothing of its groups.
    return f"{offer.path}: {described}" if described else offer.path


def _link(page: str) -> str:
    return f' <a href="{escape(page)}">Environments in conda-store</a>' if page else ""
