"""What wheels are chosen for: a platform, a python and a glibc, as uv's options and as the tags of wheels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms

from conda_store.errors import BadInput

# The oldest macOS that wheels are chosen for.
MACOS = (13, 0)
# A lock may come from elsewhere: whether its glibc suits the machine is not decided with wheels.
ANY_GLIBC = "2.40"
# What uv 0.13 knows besides `manylinux2014`, which is glibc 2.17 (its --python-platform).
_UV_GLIBC: tuple[int, ...] = (17, 28, *range(31, 41))
_UV_FIXED = {
    "linux-riscv64": "riscv64-unknown-linux",
    "osx-64": "x86_64-apple-darwin",
    "osx-arm64": "aarch64-apple-darwin",
    "win-64": "x86_64-pc-windows-msvc",
    "win-arm64": "aarch64-pc-windows-msvc",
}
_MACHINES = {"64": "x86_64", "arm64": "arm64", "aarch64": "aarch64", "riscv64": "riscv64"}


@dataclass(frozen=True)
class WheelTarget:
    """What wheels are chosen for: a conda subdir, a python version (`3.11` or `3.11.7`), a glibc on Linux."""

    platform: str
    python_version: str
    glibc: str = "2.28"

    @property
    def uv_options(self) -> tuple[str, ...]:
        """uv's options for this target."""
        return ("--python-platform", self.uv_platform, "--python-version", self.python_version)

    @property
    def uv_platform(self) -> str:
        """The value for uv's `--python-platform`."""
        if self.platform in _UV_FIXED:
            return _UV_FIXED[self.platform]
        if self.platform in ("linux-64", "linux-aarch64"):
            return f"{_MACHINES[self.platform.removeprefix('linux-')]}-manylinux_2_{self._glibc_minor()}"
        raise BadInput(
            f"pip packages cannot be locked for {self.platform}: choose among linux-64, linux-aarch64, "
            f"{', '.join(_UV_FIXED)}, or leave out the pip section."
        )

    def tags(self) -> tuple[Tag, ...]:
        """All tags that a wheel may carry, best first (PyPA "Platform compatibility tags")."""
        python = tuple(int(part) for part in self.python_version.split(".")[:2])
        platforms = list(self._platform_tags())
        interpreter = f"cp{python[0]}{python[1]}"
        return (*cpython_tags(python, platforms=platforms), *compatible_tags(python, interpreter, platforms))

    def _platform_tags(self) -> Iterable[str]:
        system, _, arch = self.platform.partition("-")
        machine = _MACHINES.get(arch, arch)
        if system == "osx":
            return mac_platforms(MACOS, machine)
        if system == "win":
            return ["win_amd64" if arch == "64" else "win_arm64"]
        legacy = {17: ["manylinux2014"], 12: ["manylinux2010"], 5: ["manylinux1"]}
        oldest = 5 if machine == "x86_64" else 17
        newest = 39 if machine == "riscv64" else self._glibc_minor()
        names = [n for m in range(newest, oldest - 1, -1) for n in (f"manylinux_2_{m}", *legacy.get(m, ()))]
        return [f"{name}_{machine}" for name in (*names, "linux")]

    def _glibc_minor(self) -> int:
        minor = int(self.glibc.split(".")[1])
        known = [step for step in _UV_GLIBC if step <= minor]
        if not known:
            raise BadInput(f"pip packages need a glibc of 2.17 or newer, not {self.glibc}.")
        return known[-1]
