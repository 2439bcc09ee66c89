"""A build as a person sees it in a terminal: a bar for each stage, then a summary."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from conda_store.builds.progress import Progress
from conda_store.builds.runner import BuildRequest, BuildResult


class TerminalProgress(Progress):
    """Shows stages as they go: live bars in a terminal, a line for each finished stage elsewhere."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False)
        self.bars = Bars(
            TextColumn("{task.description:<22}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[summary]}"),
            TimeElapsedColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self.tasks: dict[str, TaskID] = {}

    def __enter__(self) -> TerminalProgress:
        self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bars.stop()

    def start(self, stage: str, total: int | None) -> None:
        """Show a new bar."""
        self.tasks[stage] = self.bars.add_task(stage, total=total or None, summary="")

    def advance(self, stage: str, done: int) -> None:
        """Move a bar."""
        self.bars.update(self.tasks[stage], completed=done)

    def note(self, stage: str, text: str) -> None:
        """Show what is going on beside the bar."""
        self.bars.update(self.tasks[stage], summary=text)

    def finish(self, stage: str, summary: str, seconds: float) -> None:
        """Fill a bar and say what it did."""
        self.bars.update(self.tasks[stage], total=1, completed=1, summary=summary)
        self.bars.stop_task(self.tasks[stage])
        if not self.console.is_terminal:
            self.console.print(f"{stage:<22} {seconds:6.2f} s  {summary}")

    def warn(self, message: str) -> None:
        """Print a warning above the bars."""
        self.console.print(f"Warning: {message}", style="yellow")


def print_summary(request: BuildRequest, result: BuildResult) -> None:
    """What was made, where it is and how to use it."""
    console = Console(soft_wrap=True, highlight=False, markup=False, emoji=False)
    total = sum(stage.seconds for stage in result.stages)
    console.print(f"\n{result.specification.name} built in {total:.2f} s\n", style="bold")
    for artifact, place, use in artifact_rows(request, result):
        console.print(f"  {artifact:<9} {place}\n            {use}")


def artifact_rows(request: BuildRequest, result: BuildResult) -> list[tuple[str, str, str]]:
    """(artifact, place, how to use it) of everything that was made."""
    rows = []
    if request.prefix:
        use = f"{request.prefix}/bin/python, or: conda activate {request.prefix}"
        rows.append(("prefix", str(request.prefix), use))
    if request.lock:
        use = f"micromamba create -n {result.specification.name} -f {request.lock}"
        rows.append(("lockfile", str(request.lock), use))
    if request.archive and result.archive:
        size = f"{result.archive.size / 1e6:.1f} MB"
        rows.append(("archive", f"{request.archive} ({size})", "unpack it anywhere, then run bin/conda-unpack"))
    if request.oci and result.image_digest:
        copy = f"skopeo copy oci:{request.oci}:latest docker-daemon:{result.specification.name}:latest"
        rows.append(("image", f"{request.oci} ({result.image_digest[:19]}…)", copy))
    return rows
