"""Item (k): how many manifests the registry serves, against docker-registry."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from statistics import median

from benchmarks.finding import Finding, Item
from benchmarks.rival_registry import ACCEPT, copy_image, docker_registry
from benchmarks.server import serving
from benchmarks.workbench import Workbench
from benchmarks.wrk import named, requests_per_second

TIMES_ONE, TIMES_TWO = 2.0, 3.5
CONNECTIONS = (1, 16)
_NAME = "default/measured"

METHOD = """\
wrk (one thread, kept connections, three seconds a turn) asks for the manifest of the same image, by tag and by digest,
with the `Accept` of a pulling client: of a running `conda-store serve` on SQLite, and of Debian's docker-registry
(distribution) on local files, which got the image from ours by `skopeo copy`. Ours checks with every request the
registry token (`/v2/token`) that it shows, the caller behind it and what they may pull; docker-registry is asked
without credentials and lets everybody in. *One process* is the server's own port, *two processes* the registry's own
port (`registry_port`, `registry_processes = 2`). docker-registry is one process that uses all cores. wrk takes part of
the same two cores, so two processes of ours never have them to themselves; one connection keeps only one of them
busy."""


def measure(bench: Workbench) -> Item:
    """Every subject's image, by tag and by digest, at one and at sixteen connections."""
    lines = ("c.CondaStore.registry_port = 0", "c.CondaStore.registry_processes = 2")
    findings: list[Finding] = []
    with (
        serving(bench, "manifests", *lines, token=secrets.token_hex(16)) as server,
        docker_registry(bench.scratch / "manifests-rival") as rival,
    ):
        for subject in bench.subjects:
            build_id, _ = server.build(subject.specification.to_yaml())
            repository, _ = server.image(build_id)
            digest = copy_image(server, repository, rival, _NAME)
            for how, reference in {"tag": "latest", "digest": digest}.items():
                urls = {
                    "rival": f"{rival}v2/{_NAME}/manifests/{reference}",
                    "one": f"{server.url}v2/{repository}/manifests/{reference}",
                    "two": f"{server.registry_url}v2/{repository}/manifests/{reference}",
                }
                for connections in CONNECTIONS:
                    rates = _rates(bench, urls, connections, server.registry_token(repository))
                    findings += _findings(
                        f"{subject.size} packages, by {how}, {named(connections)}", connections, rates
                    )
    return Item("registry-manifests", "Manifests from the registry", METHOD, tuple(findings))


def _rates(bench: Workbench, urls: dict[str, str], connections: int, token: str) -> dict[str, list[float]]:
    """Requests per second of each contestant, in turns."""
    rates: dict[str, list[float]] = {name: [] for name in urls}
    for _ in range(bench.rounds):
        for name, url in urls.items():
            headers = {"Accept": ACCEPT} | ({} if name == "rival" else {"Authorization": f"Bearer {token}"})
            rates[name].append(requests_per_second(url, connections, headers, quick=bench.quick))
    return rates


def _findings(what: str, connections: int, rates: dict[str, list[float]]) -> Iterator[Finding]:
    # One connection is answered by one process, however many there are.
    targets = {"one": TIMES_ONE} if connections == 1 else {"one": TIMES_ONE, "two": TIMES_TWO}
    for name, target in targets.items():
        ratio = median(ours / rival for ours, rival in zip(rates[name], rates["rival"], strict=True))
        yield Finding(
            what=f"{what}, {name} process{'es' if name == 'two' else ''}",
            ours=f"{median(rates[name]):,.0f} requests/s",
            rival=f"{median(rates['rival']):,.0f} requests/s",
            measured=f"{ratio:.2f} times docker-registry's",
            target=f"at least {target:g}",
            met=ratio >= target,
        )
