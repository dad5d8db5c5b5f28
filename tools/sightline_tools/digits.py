"""Numbers of a range as patterns: what is written in digits is never out of bounds.

A range of whole numbers is cut where digits become free: 35 … 1204 is 3[5-9], [4-9][0-9],
[1-9][0-9]{2}, 1[01][0-9]{2} and 120[0-4]. With decimals, whole numbers inside the range take
any digits after the point, and the two at its ends those that the bounds leave.
"""

import math
from collections.abc import Iterator
from fractions import Fraction

from sightline_runtime.patterns import Chars, Either, Node, Repeat, Sequence, literal

DECIMALS = 6
"""Most places after the point."""
LARGEST = 10**15
"""Where no bound is given, numbers end here; every reader of JSON keeps them exactly."""
_ANY = Chars(((0x30, 0x39),))


def number(low: Fraction | None, high: Fraction | None, places: int = DECIMALS) -> Node:
    """Numbers from `low` to `high` with at most so many places after the point, as JSON writes them.

    A bound that is not given is `LARGEST`, or beyond the other one. No minus zero, no exponents.
    """
    least = min(Fraction(-LARGEST), high or Fraction(0)) if low is None else low
    most = max(Fraction(LARGEST), least) if high is None else high
    step = Fraction(1, 10**places)
    below = _positive(max(-most, step), -least, places)
    above = _positive(max(least, Fraction(0)), most, places)
    return Either((*(Sequence((*literal("-").parts, node)) for node in below), *above))


def _positive(low: Fraction, high: Fraction, places: int) -> Iterator[Node]:
    """The numbers low … high, none of them below zero."""
    first, last = math.ceil(low), math.floor(high)
    inner = last - 1 if places else last
    if first <= inner:
        yield Sequence((Either(tuple(_whole(first, inner))), *_decimals(places)))
    if places:
        for after in range(places + 1):
            scale = 10**after
            edges = [(math.ceil(low * scale), min(first * scale - 1, math.floor(high * scale)))]
            edges += [(last * scale, math.floor(high * scale))] if last >= first else []
            for least, most in edges:
                yield from (_pointed(digits, after) for digits in _digits(least, most, after + 1))


def _decimals(places: int) -> list[Node]:
    return [Repeat(Sequence((*literal(".").parts, Repeat(_ANY, 1, places))), 0, 1)] if places else []


def _whole(low: int, high: int) -> Iterator[Node]:
    """Whole numbers; ranges that differ in nothing but how many digits are free are one repeat."""
    free: dict[tuple[Chars, ...], list[int]] = {}
    for digits in _digits(low, high, 1):
        count = next((n for n, digit in enumerate(reversed(digits)) if digit != _ANY), len(digits) - 1)
        count = min(count, len(digits) - 1)
        free.setdefault(tuple(digits[: len(digits) - count]), []).append(count)
    for start, counts in free.items():
        together = counts == list(range(counts[0], counts[-1] + 1))
        for least, most in [(counts[0], counts[-1])] if together else [(count, count) for count in counts]:
            yield Sequence((*start, Repeat(_ANY, least, most)) if most else start)


def _pointed(digits: list[Chars], after: int) -> Node:
    cut = len(digits) - after
    return Sequence((*digits[:cut], *(literal(".").parts if after else ()), *digits[cut:]))


def _digits(low: int, high: int, least: int) -> Iterator[list[Chars]]:
    """Digits, one class a place, that together are low … high; at least so many places, with zeros before."""
    while low <= high:
        places = max(least, len(str(low)))
        free = 0  # how many of the last places can be any digit, from low on
        while low % 10 ** (free + 1) == 0 and free + 1 < places and low + 10 ** (free + 1) - 1 <= high:
            free += 1
        unit = 10**free
        first = low // unit % 10
        last = min(9, first + (high + 1 - low) // unit - 1)
        text = str(low // unit).zfill(places - free)
        yield [*(_digit(int(d), int(d)) for d in text[:-1]), _digit(first, last), *[_ANY] * free]
        low += (last - first + 1) * unit


def _digit(first: int, last: int) -> Chars:
    return Chars(((0x30 + first, 0x30 + last),))
