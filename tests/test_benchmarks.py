"""The benchmarks: how figures become verdicts and a page, and that a run does run."""

import subprocess
import sys
from pathlib import Path

from benchmarks.api_requests import PAGE, findings_of, turns_of
from benchmarks.api_servers import Contestant
from benchmarks.disk import disk_usage
from benchmarks.finding import Finding, Item
from benchmarks.report import render
from benchmarks.timing import Comparison, Cost, take_turns
from benchmarks.wrk import Answers

ROOT = Path(__file__).parent.parent


def test_contestants_take_turns_and_pairs_are_compared() -> None:
    order: list[str] = []

    def contestant(name: str, walls: list[float]) -> Cost:
        order.append(name)
        return Cost(walls.pop(0), 1.0)

    ours, rival = [1.0, 10.0, 2.0], [3.0, 20.0, 8.0]
    costs = take_turns({"ours": lambda: contestant("ours", ours), "rival": lambda: contestant("rival", rival)}, 3)
    compared = Comparison.by_wall(costs["ours"], costs["rival"])
    assert order == ["ours", "rival"] * 3
    # Medians of 3, 2, 4 and of -2, -10, -6: neither is what the medians 2 and 8 would give for the ratio.
    assert (compared.ratio, compared.difference) == (3.0, -6.0)
    assert Comparison.by_processor(costs["ours"], costs["rival"]).ratio == 1.0


def test_pages_are_compared_with_the_rival_and_with_larger_databases() -> None:
    ours, larger, rival = Contestant("a", "", "SQLite"), Contestant("b", "", "SQLite", 9000), Contestant("c", "", "")
    asked = list(turns_of([ours, larger, rival], (1, 16)))
    assert [key[1:] for key in asked if key[0] == PAGE] == [(1, ours), (1, larger), (1, rival), (16, ours)]
    assert [key[1:] for key in asked if key[0] == "one build"] == [(1, ours), (1, rival), (16, ours), (16, rival)]
    found = {
        (PAGE, 1, ours): [Answers(100, 0.010, 0.1), Answers(50, 0.016, 0.3), Answers(200, 0.014, 0.2)],
        (PAGE, 1, larger): [Answers(9, 0.013, 1), Answers(9, 0.016, 1), Answers(9, 0.028, 1)],
        (PAGE, 1, rival): [Answers(10, 0.1, 1), Answers(10, 0.1, 1), Answers(10, 0.1, 1)],
    }
    page, growth = findings_of(found)
    assert (page.ours, page.rival) == ("100 requests/s, p99 0.20 s", "10 requests/s, p99 1.00 s")
    assert (page.measured, page.met) == ("14.0 ms at the median, 10.0 times the rival's rate", True)
    # Medians of pairs: 1.3, 1.0 and 2.0.
    assert (growth.what, growth.met) == ("a page of 100 environments, SQLite, 9,000 environments", False)
    assert growth.measured == "1.30 times the median with 1,000"


def test_the_page_tells_target_figure_and_verdict_of_every_item() -> None:
    items = [
        Item(
            "warm-build", "Warm build", "Both built.", (Finding("5 a|b", "2.00 s", "1.00 s", "1.00 s", "0.3 s", False),)
        ),
        Item("image", "Image", "Made.", (Finding("70", "20 ms", "", "20 ms", "50 ms", True),), ("A note.",)),
        Item("layers", "Layers", "Made.", (Finding("300 MB", "9 MB/s", "8 MB/s", "1.1 times"),)),
    ]
    page = render(items, {"Processor": "a fast one"}, rounds=5, date="2030-01-02")
    assert "| 5 a\\|b | 2.00 s | 1.00 s | 1.00 s | 0.3 s | **not met** |" in page
    assert "| 70 | 20 ms |  | 20 ms | 50 ms | met |" in page
    assert "| 300 MB | 9 MB/s | 8 MB/s | 1.1 times |  |  |" in page
    assert "Targets met: 1 of 2. Not met: Warm build (5 a|b)." in page
    assert "one run of 5 rounds, on\n2030-01-02" in page
    assert "| Processor | a fast one |" in page
    assert "A note." in page
    assert page.count("Again: `python -m benchmarks --only") == len(items)


def test_disk_usage_counts_a_file_once_however_many_names_it_has(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    empty = disk_usage([one, two])
    (one / "file").write_bytes(b"x" * 100_000)
    whole = disk_usage([one, two])
    (two / "again").hardlink_to(one / "file")
    assert whole - empty >= 100_000
    assert disk_usage([one, two]) == whole
    (two / "copy").write_bytes(b"x" * 100_000)
    assert disk_usage([one, two]) - whole == whole - empty


def test_a_quick_run_of_one_item_shows_it_and_writes_nothing(sample_channel: Path, base_image: str) -> None:
    page = ROOT / "docs/performance.md"
    before = page.read_bytes() if page.exists() else None
    command = [sys.executable, "-m", "benchmarks", "--quick", "--only", "image"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "## Image from known layers" in done.stdout
    assert "under 50.0 ms after the solve" in done.stdout
    assert (page.read_bytes() if page.exists() else None) == before


def test_a_quick_run_of_the_registry_beside_its_rival(sample_channel: Path, base_image: str) -> None:
    items = ("registry-manifests", "registry-blobs", "registry-memory", "on-demand")
    command = [sys.executable, "-m", "benchmarks", "--quick", *(word for item in items for word in ("--only", item))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for words in (
        "by tag, 1 connection, one process",
        "by digest, 16 connections, two processes",
        "times docker-registry's throughput",
        "64 pulls of ",
        "over the solve",
    ):
        assert words in done.stdout


def test_a_quick_run_of_what_needs_a_server(sample_channel: Path, base_image: str) -> None:
    chosen = [
        word
        for item in ("served-build", "downloads", "requests", "api-requests", "compressing", "memory", "watchers")
        for word in ("--only", item)
    ]
    command = [sys.executable, "-m", "benchmarks", "--quick", *chosen]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for words in (
        "after COMPLETED",
        "times nginx's throughput",
        "one build, 16 connections",
        "a page of 100 environments, PostgreSQL, 1 connection",
        "p99 under 0.10 s",
        "4 processes, idle",
        "100 watchers",
    ):
        assert words in done.stdout
