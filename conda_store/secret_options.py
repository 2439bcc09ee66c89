"""Options that hold secrets: no error and no list of what is configured shows their values. Knows no part."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from traitlets import TraitError, Unicode

#: What is shown instead of one.
HIDDEN = "(secret)"
# How options of classes that are not ours end, such as c.HubOAuth.api_token.
_ENDS = ("token", "secret", "password")


class SecretText(Unicode[str, Any]):
    """A text whose value no error shows; that of a plain trait does."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.tag(secret=True)

    def validate(self, obj: Any, value: Any) -> Any:
        """Raises `TraitError` naming the option alone."""
        try:
            return super().validate(obj, value)
        except TraitError:
            raise TraitError(f"c.{type(obj).__name__}.{self.name} must be a text, in quotes.") from None


def hidden_names(classes: Iterable[Any], names: Iterable[str]) -> set[str]:
    """Which of the options `names` hold secrets: those with the tag `secret` in any class, and whose name says so."""
    tagged = {name for kind in classes for name in kind.class_traits(secret=True)}
    return {name for name in names if name in tagged or name.endswith(_ENDS)}
