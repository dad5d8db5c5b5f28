"""The arrays of one tenant in memory, by digest: those used last, and whatever a job still needs."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from weakref import WeakValueDictionary

from sightline.errors import BusyError
from sightline_runtime.wire.arrays import Array

ROOM = 256 * 2**20
"""Bytes of arrays that a tenant may keep for later."""
_EACH = 1024
"""Bytes that an array costs beside its values: also empty ones fill the room."""


@dataclass(frozen=True, eq=False)
class Held:
    """An array and its digest; as long as somebody holds this, the shelf finds it."""

    digest: str
    array: Array

    @property
    def weight(self) -> int:
        """Bytes that it takes."""
        return weight_of(self.array)


def weight_of(array: Array) -> int:
    """Bytes that an array takes on a shelf."""
    return array.nbytes + _EACH


class ArrayShelf:
    """Finds arrays by digest; belongs to one event loop.

    Up to `room` bytes are held here, the ones used last. A job holds its own on top of
    that, at most as much again: BusyError for more.
    """

    def __init__(self, room: int = ROOM) -> None:
        self._room, self._used = room, 0
        self._kept: OrderedDict[str, Held] = OrderedDict()
        self._all: WeakValueDictionary[str, Held] = WeakValueDictionary()

    def get(self, digest: str) -> Held | None:
        """The array of a digest, None if it is not here any more."""
        if digest in self._kept:
            self._kept.move_to_end(digest)
        return self._all.get(digest)

    def bring(self, digest: str, array: Array) -> Held:
        """Keep an array that a client brings; BusyError while jobs hold too many."""
        if digest not in self._all and self.weight + weight_of(array) > 2 * self._room:
            raise BusyError(
                "the jobs of this key hold too many arrays", hint="wait for some to end", retry_after=2
            )
        return self.put(digest, array)

    def put(self, digest: str, array: Array) -> Held:
        """Keep an array, and let go of those used longest ago until there is room."""
        held = self._all.get(digest)
        if held is None:
            held = self._all[digest] = Held(digest, array)
        if digest not in self._kept:
            self._kept[digest] = held
            self._used += held.weight
        self._kept.move_to_end(digest)
        while self._used > self._room:
            _, gone = self._kept.popitem(last=False)
            self._used -= gone.weight
        return held

    @property
    def weight(self) -> int:
        """Bytes of all arrays that are here, whoever holds them."""
        return sum(held.weight for held in self._all.values())
