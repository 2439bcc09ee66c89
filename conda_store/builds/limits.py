"""What one build may use. Values only: the options that set them are `conda_store/limits.py`."""

from __future__ import annotations

from dataclasses import dataclass

from conda_store.errors import PolicyRefused
from conda_store.packages.locked import Lock


@dataclass(frozen=True)
class Limits:
    """What one build may use; None is without limit.

    `build_seconds` counts from the start of the worker to its end, artifacts included; `memory_bytes` is the data of
    each process (RLIMIT_DATA); `packages` is for one platform; `download_bytes` what has to be fetched for one.
    `options` is the class whose options set the latter two.
    """

    solve_seconds: float | None = 300.0
    build_seconds: float | None = 3600.0
    memory_bytes: int | None = None
    packages: int | None = 5000
    download_bytes: int | None = None
    options: str = "c.BuildLimits"

    def check_packages(self, lock: Lock) -> None:
        """Refuse a lock that is too large. Raises `PolicyRefused`."""
        for one in lock:
            count = len(one.conda) + len(one.wheels)
            if self.packages is not None and count > self.packages:
                raise PolicyRefused(
                    f"The environment needs {count:,} packages for {one.platform}; {self.packages:,} are allowed here. "
                    f"{way_out('max_packages', self.options)}"
                )

    def check_download(self, size: int, platform: str) -> None:
        """Refuse to fetch too much. Raises `PolicyRefused`."""
        if self.download_bytes is not None and size > self.download_bytes:
            raise PolicyRefused(
                f"{size:,} bytes would have to be fetched for {platform}; {self.download_bytes:,} are allowed here. "
                f"{way_out('max_download_bytes', self.options)}"
            )


def way_out(option: str, options: str = "c.BuildLimits") -> str:
    """What to do about a limit that an option sets."""
    return f"Ask for less in one environment, or let an administrator raise the limit ({options}.{option})."
