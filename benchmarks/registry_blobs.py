"""Item (l): throughput of large blobs from the registry, against docker-registry."""

from __future__ import annotations

import secrets
from functools import partial

from benchmarks.finding import Finding, Item, megabytes, seconds
from benchmarks.large_image import large_image
from benchmarks.rival_registry import copy_image, docker_registry
from benchmarks.server import output_of, serving
from benchmarks.timing import Comparison, Cost, cost_of, median_wall, take_turns
from benchmarks.workbench import Workbench
from benchmarks.wrk import named

ALLOWED_RATIO = 1.0
CONNECTIONS = {1: 8, 16: 32}
_NAME = "default/measured"

METHOD = """\
One curl fetches the same blob several times, one after another over one connection, or over sixteen at once: from a
running `conda-store serve` (one process) and from docker-registry, which holds the same image. Ours checks with every
request the registry token that it shows and whether it may pull the blob; docker-registry lets everybody in. curl takes
part of the same two cores, and its own start is in both times."""


def measure(bench: Workbench) -> Item:
    """The largest layer of an image on a base that has a large one."""
    findings = []
    base = large_image(bench)
    with (
        serving(bench, "blobs", base=base, token=secrets.token_hex(16)) as server,
        docker_registry(bench.scratch / "blobs-rival") as rival,
    ):
        build_id, _ = server.build(bench.subjects[0].specification.to_yaml())
        repository, layers = server.image(build_id)
        copy_image(server, repository, rival, _NAME)
        digest, size = max(layers, key=lambda layer: layer[1])
        proof = ["--header", f"Authorization: Bearer {server.registry_token(repository)}"]
        ours, theirs = f"{server.url}v2/{repository}/blobs/{digest}", f"{rival}v2/{_NAME}/blobs/{digest}"
        for connections, times in CONNECTIONS.items():
            turns = {
                "ours": partial(_fetch, ours, connections, times, proof),
                "rival": partial(_fetch, theirs, connections, times, []),
            }
            costs = take_turns(turns, bench.rounds)
            findings.append(_finding(connections, times, size, costs))
    return Item("registry-blobs", "Blobs from the registry", METHOD, tuple(findings))


def _fetch(url: str, connections: int, times: int, proof: list[str]) -> Cost:
    parallel = ["--parallel", "--parallel-immediate", "--parallel-max", str(connections)] if connections > 1 else []
    targets = [word for _ in range(times) for word in ("--output", "/dev/null", url)]
    return cost_of(lambda: output_of(["curl", "--silent", "--fail", *parallel, *proof, *targets]))


def _finding(connections: int, times: int, size: int, costs: dict[str, list[Cost]]) -> Finding:
    ratio = Comparison.by_wall(costs["ours"], costs["rival"]).ratio
    ours, rival = (median_wall(costs[name]) for name in ("ours", "rival"))
    return Finding(
        what=f"{megabytes(size)}, {times} times, {named(connections)}",
        ours=f"{seconds(ours)}, {megabytes(times * size / ours)}/s",
        rival=f"{seconds(rival)}, {megabytes(times * size / rival)}/s",
        measured=f"{ratio:.2f} times docker-registry's throughput",
        target=f"at least {ALLOWED_RATIO:g}",
        met=ratio >= ALLOWED_RATIO,
    )
