"""Who owns a path that several packages bring.

In a prefix, rattler's winner is the last owner in dependency order, and wheels come after all conda packages.
Bytecode goes with its module: a pyc, brought or compiled, belongs to the package that wins the module, and where
that has none there is none. Prefix, archive and image follow this one table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from conda_store.packages.contents import Contents, PlacedFile, Python, is_module


@dataclass(frozen=True)
class Ownership:
    """`order`: packages, winners last. `shared`: path → its owners' keys in that order, for paths with several.

    The path of a shared module's bytecode is shared too, whether or not its owners bring or compile one.
    """

    order: tuple[Contents, ...]
    shared: Mapping[str, tuple[str, ...]] = field(repr=False)

    def winner(self, path: str) -> str:
        """The key of the package whose file stands at a shared `path`."""
        return self.shared[path][-1]

    def lost_by(self, key: str) -> frozenset[str]:
        """Paths that the package `key` brings and another wins."""
        return frozenset(path for path, keys in self.shared.items() if key in keys and keys[-1] != key)


def settle(order: Sequence[Contents], python: Python | None = None) -> Ownership:
    """Find the paths that several packages of `order` bring, and the bytecode that `python` has for them."""
    seen: set[str] = set()
    twice: set[str] = set()
    for package in order:
        twice.update(seen.intersection(package.paths))
        seen.update(package.paths)
    shared: dict[str, list[str]] = {path: [] for path in sorted(twice)}
    for package in order if twice else ():
        for path in twice.intersection(package.paths):
            shared[path].append(package.key)
    if python is not None:
        shared |= _shared_bytecode(order, shared, seen, python)
    return Ownership(tuple(order), {path: tuple(keys) for path, keys in shared.items()})


def pyc_target(module: str, python: Python) -> str:
    """`a/__pycache__/b.cpython-311.pyc` for `a/b.py` (PEP 3147)."""
    folder, _, name = module.rpartition("/")
    return f"{folder}/__pycache__/{name.removesuffix('.py')}{_pyc_suffix(python)}"


def library_of(python: Python) -> str:
    """`lib/python3.11/`: where python finds modules that are worth compiling."""
    return python.site_packages.rpartition("/")[0] + "/"


def find_file(package: Contents, path: str) -> PlacedFile | None:
    """The file that `package` brings for `path`, if it does."""
    return next((file for file in package.files if file.target == path), None)


def _pyc_suffix(python: Python) -> str:
    return f".cpython-{python.short_version.replace('.', '')}.pyc"


def _shared_bytecode(
    order: Sequence[Contents], shared: Mapping[str, list[str]], paths: set[str], python: Python
) -> dict[str, list[str]]:
    library = library_of(python)
    found = {
        pyc_target(module, python): list(keys)
        for module, keys in shared.items()
        if is_module(module) and module.startswith(library)
    }
    for pyc, module, stranger in _strange_bytecode(order, python):
        if module not in paths or not module.startswith(library):
            continue
        owners = found.get(pyc) or [next(package.key for package in order if module in package.paths)]
        found[pyc] = [stranger, *owners]
    return found


def _strange_bytecode(order: Sequence[Contents], python: Python) -> Iterator[tuple[str, str, str]]:
    """(pyc, module, key) of bytecode that a package brings without its module."""
    suffix = _pyc_suffix(python)
    for package in order:
        own: set[str] = set()
        for path in package.paths:
            if not path.endswith(suffix):
                continue
            own = own or set(package.paths)
            folder, _, name = path.removesuffix(suffix).rpartition("/")
            module = f"{folder.removesuffix('__pycache__')}{name}.py"
            if module not in own and folder.endswith("/__pycache__"):
                yield path, module, package.key
