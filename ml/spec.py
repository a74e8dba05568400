"""Reading hand-written parameters with errors that name file, product, field, what was found, what is allowed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Any, NoReturn, TypeVar

from ml.clock import parse_duration

T = TypeVar("T")
_MISSING = object()


class ProductError(ValueError):
    """A product's exposure has a bad, unknown or missing field."""


@dataclass(frozen=True)
class Field:
    """One value of an exposure and the way to it. Every reader raises ProductError."""

    value: Any
    path: str
    product: str
    file: str

    def fail(self, allowed: str) -> NoReturn:
        """Raise ProductError: what was found here and what is `allowed`."""
        found = "nothing" if self.value is _MISSING else repr(self.value)
        self._raise(f"found {found}; allowed is {allowed}")

    def _raise(self, problem: str) -> NoReturn:
        raise ProductError(
            f"{self.file}, product {self.product}, field {self.path}: {problem}. Edit the exposure, then: dbt parse"
        )

    @property
    def absent(self) -> bool:
        return self.value is _MISSING or self.value is None

    def _at(self, key: str, value: Any) -> "Field":
        return Field(value, f"{self.path}.{key}" if self.path else key, self.product, self.file)

    def mapping(self, known: Sequence[str] | None = None) -> Mapping[str, Any]:
        """The value as a mapping; with `known`, any other key is an error with the nearest known name."""
        if not isinstance(self.value, Mapping):
            self.fail(f"a mapping with {', '.join(known)}" if known else "a mapping")
        for key in self.value:
            if known is not None and key not in known:
                near = get_close_matches(str(key), known, n=1)
                hint = f" (did you mean {near[0]}?)" if near else ""
                self._at(str(key), self.value[key])._raise(f"no such field; allowed is {', '.join(known)}{hint}")
        return self.value

    def get(self, key: str, default: Any = _MISSING) -> "Field":
        """The field below this one; `default` where the exposure does not say."""
        return self._at(key, self.value.get(key, default))

    def items(self) -> list["Field"]:
        """The elements of a list."""
        if not isinstance(self.value, list):
            self.fail("a list")
        return [
            Field(element, f"{self.path}[{index}]", self.product, self.file) for index, element in enumerate(self.value)
        ]

    def text(self) -> str:
        if not isinstance(self.value, str) or not self.value.strip():
            self.fail("a name")
        return self.value

    def one_of(self, allowed: Sequence[str]) -> str:
        if self.value not in allowed:
            near = get_close_matches(str(self.value), allowed, n=1)
            self.fail(f"{' or '.join(allowed)}" + (f" (did you mean {near[0]}?)" if near else ""))
        return str(self.value)

    def duration(self) -> timedelta:
        try:
            return parse_duration(self.value)
        except ValueError:
            self.fail("a whole number of minutes, hours, days or weeks: '30 days'")

    def instant(self) -> datetime:
        """A day or an instant in ISO form, UTC and without zone; YAML may have read it as a date already."""
        try:
            found = datetime.fromisoformat(str(self.value))
        except ValueError:
            found = None
        if found is None or found.tzinfo:
            self.fail("a day, or an instant in UTC without zone: '2026-03-31'")
        return found

    def number(self, low: float | None = None, high: float | None = None) -> float:
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            self.fail("a number")
        if (low is not None and self.value < low) or (high is not None and self.value > high):
            self.fail(
                f"a number {f'from {low:g}' if low is not None else ''}{f' to {high:g}' if high is not None else ''}"
            )
        return float(self.value)

    def whole(self, low: int = 0) -> int:
        if isinstance(self.value, bool) or not isinstance(self.value, int) or self.value < low:
            self.fail(f"a whole number from {low}")
        return int(self.value)

    def tuple_of(self, read: Callable[["Field"], T]) -> tuple[T, ...]:
        return tuple(read(element) for element in self.items())
