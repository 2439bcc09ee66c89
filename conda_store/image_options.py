"""What an image can be told by its owner: user, working directory, variables, what it runs, labels.

A deployment, a namespace, an environment and a specification may each say some of it. The names are docker-compose's
(compose-spec, "services"); what they become in an image is OCI image-spec 1.1, config.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import fields as fields_of
from typing import Any

from conda_store.errors import BadInput, Problem
from conda_store.image_options_grammar import OptionFault, read_values


class ImageOptionsInvalid(BadInput):
    """Image options with one or more problems; every problem found is listed."""

    code = "image_options_invalid"

    def __init__(self, problems: Iterable[Problem]) -> None:
        found = tuple(problems)
        head = f"The image options have {'a problem' if len(found) == 1 else f'{len(found)} problems'}"
        super().__init__("\n".join([f"{head}:", *(f"  {problem}" for problem in found)]), found)


@dataclass(frozen=True)
class ImageOptions:
    """What one level says of its images; None where it says nothing. Normal, so that equal means same.

    `environment` and `labels` are sorted pairs. An empty `entrypoint` is an image without one, in which nothing is
    activated; an empty `command` is none.
    """

    user: str | None = None
    working_dir: str | None = None
    environment: tuple[tuple[str, str], ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    labels: tuple[tuple[str, str], ...] | None = None

    def __post_init__(self) -> None:
        for name in ("environment", "labels"):
            if (pairs := getattr(self, name)) is not None:
                object.__setattr__(self, name, tuple(sorted(dict(pairs).items())))

    @classmethod
    def read(cls, document: object) -> ImageOptions:
        """The options in a mapping as JSON or YAML has it, None being an empty one.

        Raises `ImageOptionsInvalid` with every problem, each with a path such as `image.environment.A`.
        """
        options, found = read_options(document)
        if found:
            raise ImageOptionsInvalid(Problem(fault.message, path=fault.path) for fault in found)
        return options

    def over(self, other: ImageOptions) -> ImageOptions:
        """These options on top of a lower level's: variables and labels key by key, all else as a whole."""
        merged: dict[str, Any] = {}
        for one in fields_of(self):
            mine, below = getattr(self, one.name), getattr(other, one.name)
            if mine is not None and below is not None and one.name in ("environment", "labels"):
                mine = tuple({**dict(below), **dict(mine)}.items())
            merged[one.name] = below if mine is None else mine
        return ImageOptions(**merged)

    def as_dict(self) -> dict[str, Any]:
        """The mapping that `read` reads; only what is said."""
        said = {one.name: getattr(self, one.name) for one in fields_of(self) if getattr(self, one.name) is not None}
        shown = {"environment": dict, "labels": dict, "entrypoint": list, "command": list}
        return {name: shown.get(name, str)(value) for name, value in said.items()}

    def __bool__(self) -> bool:
        return bool(self.as_dict())


#: A level that says nothing.
UNSAID = ImageOptions()


def read_options(document: object) -> tuple[ImageOptions, list[OptionFault]]:
    """The options that could be read, and everything that is wrong with the others."""
    values, found = read_values(document)
    return ImageOptions(**values), found


__all__ = ["UNSAID", "ImageOptions", "ImageOptionsInvalid", "OptionFault", "read_options"]
