"""Which of the newest days of a series are unlike every day before them. No model: envelopes of what was seen."""

from collections.abc import Callable, Sequence
from math import exp, lgamma, log
from typing import TypeVar

T = TypeVar("T")

FEWEST_DAYS = 5  # fewer sound days before it, and nothing is called unusual


def streak(values: Sequence[T | None], is_unusual: Callable[[T, Sequence[T]], bool]) -> int | None:
    """Position where the unusual days begin that reach to the last one; None where the last day is usual or unknown.

    Every day is compared with the sound days before it: one that was unusual is no measure for the next.
    """
    sound: list[T] = []
    began: int | None = None
    for position, value in enumerate(values):
        if value is None:
            continue
        if len(sound) >= FEWEST_DAYS and is_unusual(value, sound):
            began = position if began is None else began
        else:
            sound.append(value)
            began = None
    return began if values and values[-1] is not None else None


def sound_before(values: Sequence[T | None], position: int) -> list[T]:
    """Known values before `position`."""
    return [value for value in values[:position] if value is not None]


def far_below(share: float, chance: float) -> Callable[[float, Sequence[float]], bool]:
    """A count below `share` of the smallest so far that a Poisson count of the usual mean reaches with < `chance`."""

    def test(value: float, sound: Sequence[float]) -> bool:
        return value < share * min(sound) and poisson_at_most(int(value), sum(sound) / len(sound)) < chance

    return test


def above_all(margin: float) -> Callable[[float, Sequence[float]], bool]:
    """More than `margin` above the largest so far."""
    return lambda value, sound: value > max(sound) + margin


def times_outside(factor: float) -> Callable[[float, Sequence[float]], bool]:
    """`factor` times above the largest, or below a `factor`-th of the smallest so far; the sign is ignored."""

    def test(value: float, sound: Sequence[float]) -> bool:
        sizes = [abs(each) for each in sound]
        return abs(value) > factor * max(sizes) > 0 or abs(value) * factor < min(sizes)

    return test


def beyond(margin: float, spans: float) -> Callable[[float, Sequence[float]], bool]:
    """Outside the range so far by more than `margin` and more than `spans` times its width."""

    def test(value: float, sound: Sequence[float]) -> bool:
        low, high = min(sound), max(sound)
        room = max(margin, spans * (high - low))
        return value < low - room or value > high + room

    return test


def poisson_at_most(n: int, mean: float) -> float:
    """P(X <= n) of a Poisson count; 0 where it is too small for a double."""
    term = total = exp(-mean)
    for k in range(1, n + 1):
        term *= mean / k
        total += term
    return min(total, 1.0)


def poisson_at_least(n: int, mean: float) -> float:
    """P(X >= n) of a Poisson count, its terms added from `n` up: 1 less the rest would lose a small one."""
    if n <= 0:
        return 1.0
    term = total = exp(n * log(mean) - mean - lgamma(n + 1))
    k = n
    while term > 1e-17 * total or k < mean:
        k += 1
        term *= mean / k
        total += term
    return min(total, 1.0)


def chance_of_more(n: int, sound: Sequence[float]) -> float:
    """Chance of `n` or more where counts are Poisson with the mean so far, at least one in all those days."""
    return poisson_at_least(n, max(sum(sound), 1.0) / len(sound))
