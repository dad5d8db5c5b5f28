"""A pattern as a machine that reads bytes of UTF-8, made as far as it is needed.

The states are sets of partial derivatives (Antimirov 1996): what may still come after the
bytes read so far. Repeats with bounds are counted down in the terms, never written out, so
a string of up to a thousand characters costs nothing until it is read. Every state knows
the fewest bytes that lead from it to a match.
"""

import string
from collections.abc import Iterable, Iterator
from functools import reduce

from sightline_runtime.errors import InputError
from sightline_runtime.patterns import Chars, Either, Node, Ranges, Repeat, parse

DEAD = 0
"""The state from which no match is possible."""
MAX_STATES = 50_000
MAX_WORK = 1_500_000
"""Steps of making states, some microseconds each: whoever sends a pattern gets seconds of a machine."""
_MAX_TERMS = 500
"""Ways to read the same bytes that are followed at a time."""
_NEVER = 1 << 60
"""More bytes than any match has."""
_ENDS = (0x7F, 0x7FF, 0xFFFF, 0x10FFFF)
"""The last characters of one, two, three and four bytes."""
_PLAIN = (string.ascii_lowercase + string.ascii_uppercase + string.digits).encode()


class _Term:
    """What must still come. Equal terms are one object; `shortest` and `widest` count bytes.

    `widest` is the most that can be missing to a match at any place inside the term.
    """

    __slots__ = ("firsts", "shortest", "widest")

    def __init__(self, shortest: int, widest: int) -> None:
        self.shortest, self.widest = shortest, widest
        self.firsts: tuple[tuple[int, _Term], ...] | None = None

    @property
    def nullable(self) -> bool:
        return self.shortest == 0


class _Byte(_Term):
    __slots__ = ("mask",)

    def __init__(self, mask: int) -> None:
        super().__init__(1 if mask else _NEVER, 1)
        self.mask = mask


class _Pair(_Term):
    __slots__ = ("first", "then")

    def __init__(self, first: _Term, then: _Term) -> None:
        super().__init__(first.shortest + then.shortest, max(first.widest + then.shortest, then.widest))
        self.first, self.then = first, then


class _Choice(_Term):
    __slots__ = ("options",)

    def __init__(self, options: tuple[_Term, ...]) -> None:
        super().__init__(min(o.shortest for o in options), max(o.widest for o in options))
        self.options = options


class _Loop(_Term):
    __slots__ = ("high", "low", "part")

    def __init__(self, part: _Term, low: int, high: int | None) -> None:
        super().__init__(part.shortest * low, part.widest + part.shortest * max(low - 1, 0))
        self.part, self.low, self.high = part, low, high


class _Terms:
    """Makes terms, each once, and tells what may follow each first byte of one; counts its work."""

    def __init__(self) -> None:
        self.work = 0
        self._made: dict[tuple[object, ...], _Term] = {}
        self._chars: dict[Ranges, _Term] = {}
        self.nothing = _Term(0, 0)
        self.never = _Byte(0)

    def of(self, node: Node) -> _Term:
        """The term of a pattern."""
        if isinstance(node, Chars):
            if node.ranges not in self._chars:
                self._chars[node.ranges] = self._character(node.ranges)
            return self._chars[node.ranges]
        if isinstance(node, Repeat):
            return self.loop(self.of(node.part), node.low, node.high)
        if isinstance(node, Either):
            return self.choice([self.of(option) for option in node.options])
        return reduce(lambda then, part: self.pair(self.of(part), then), reversed(node.parts), self.nothing)

    def byte(self, mask: int) -> _Term:
        """One byte of a set, given as bits."""
        return self._made.setdefault(("byte", mask), _Byte(mask))

    def choice(self, options: Iterable[_Term]) -> _Term:
        """One of some; those that never match are left out."""
        kept = tuple(dict.fromkeys(option for option in options if option.shortest < _NEVER))
        if len(kept) < 2:
            return kept[0] if kept else self.never
        return self._made.setdefault(("choice", *kept), _Choice(kept))

    def loop(self, part: _Term, low: int, high: int | None) -> _Term:
        """A part so many times."""
        if part.shortest >= _NEVER:
            return self.never if low else self.nothing
        if part is self.nothing or high == 0:
            return self.nothing
        low = 0 if part.nullable else low
        if low == high == 1:
            return part
        return self._made.setdefault(("loop", part, low, high), _Loop(part, low, high))

    def pair(self, first: _Term, then: _Term) -> _Term:
        """One after the other; pairs lean to the right."""
        if then is self.nothing or first is self.nothing:
            return first if then is self.nothing else then
        if first.shortest >= _NEVER or then.shortest >= _NEVER:
            return self.never
        heads = []
        while isinstance(first, _Pair):
            heads.append(first.first)
            first = first.then
        self.spend(len(heads))
        for head in [first, *reversed(heads)]:
            then = self._made.setdefault(("pair", head, then), _Pair(head, then))
        return then

    def _character(self, chars: Ranges) -> _Term:
        """One character in UTF-8; first bytes that the same rest may follow are one set."""
        tails: dict[tuple[tuple[int, int], ...], int] = {}
        for low, high in chars:
            for (first, last), *tail in _encoded(low, high):
                tails[tuple(tail)] = tails.get(tuple(tail), 0) | _bits(first, last)
        return self.choice(
            reduce(
                lambda then, mask: self.pair(self.byte(mask), then),
                [*(_bits(*span) for span in reversed(tail)), head],
                self.nothing,
            )
            for tail, head in tails.items()
        )

    def firsts(self, term: _Term) -> tuple[tuple[int, _Term], ...]:
        """First bytes, as sets of bits, and the term that each leaves; sets may overlap."""
        if term.firsts is None:
            term.firsts = tuple(dict.fromkeys(map(self._counted, self._derived(term))))
        return term.firsts

    def spend(self, steps: int) -> None:
        """Count some steps of work; InputError if they are too many."""
        self.work += steps
        if self.work > MAX_WORK:
            raise _too_many()

    def _counted(self, first: tuple[int, _Term]) -> tuple[int, _Term]:
        self.spend(1)
        return first

    def _derived(self, term: _Term) -> Iterator[tuple[int, _Term]]:
        while isinstance(term, _Pair):
            for mask, rest in self.firsts(term.first):
                yield mask, self.pair(rest, term.then)
            if not term.first.nullable:
                return
            term = term.then
        if isinstance(term, _Byte):
            yield term.mask, self.nothing
        elif isinstance(term, _Choice):
            for option in term.options:
                yield from self.firsts(option)
        elif isinstance(term, _Loop):
            after = self.loop(term.part, max(term.low - 1, 0), None if term.high is None else term.high - 1)
            for mask, rest in self.firsts(term.part):
                yield mask, self.pair(rest, after)


def _too_many() -> InputError:
    return InputError("the pattern can be read in too many ways", hint="make its repeats shorter or plainer")


def _bits(low: int, high: int) -> int:
    return (1 << (high + 1)) - (1 << low)


def _encoded(low: int, high: int) -> Iterator[tuple[tuple[int, int], ...]]:
    """A stretch of characters as stretches of bytes, one for each place, that are free of each other."""
    for end in _ENDS:
        if low <= end < high:
            yield from _encoded(low, end)
            yield from _encoded(end + 1, high)
            return
    for place in range(1, len(chr(high).encode())):
        tail = (1 << 6 * place) - 1
        if low & ~tail != high & ~tail:
            if low & tail:
                yield from _encoded(low, low | tail)
                yield from _encoded((low | tail) + 1, high)
                return
            if high & tail != tail:
                yield from _encoded(low, (high & ~tail) - 1)
                yield from _encoded(high & ~tail, high)
                return
    yield tuple(zip(chr(low).encode(), chr(high).encode(), strict=True))


class Automaton:
    """The states of a pattern, numbered as they are met; `start` is the first, `DEAD` the lost one.

    `widest` is the most bytes that can be missing to a match, wherever one stands.
    Not for several threads at a time. InputError where a pattern needs too many states or
    too much work, or may be read in too many ways at once.
    """

    def __init__(self, pattern: str | Node) -> None:
        self._terms = _Terms()
        self._states: list[frozenset[_Term]] = []
        self._numbers: dict[frozenset[_Term], int] = {}
        self._rows: list[tuple[int, ...] | None] = []
        self._shortest: list[int] = []
        self._number(frozenset())
        start = self._terms.of(parse(pattern) if isinstance(pattern, str) else pattern)
        self.widest = start.widest
        self.start = self._number(frozenset([start] if start.shortest < _NEVER else []))

    def __len__(self) -> int:
        return len(self._states)

    @property
    def worn(self) -> bool:
        """Whether so much was read in so many ways that it is time to begin anew."""
        return len(self) > MAX_STATES // 2 or self._terms.work > MAX_WORK // 2

    def accepts(self, state: int) -> bool:
        """Whether what was read is a match."""
        return self.shortest(state) == 0

    def shortest(self, state: int) -> int:
        """The fewest bytes to a match; more than any match has where there is none."""
        return self._shortest[state]

    def row(self, state: int) -> tuple[int, ...]:
        """The state after each of the 256 bytes."""
        row = self._rows[state]
        if row is None:
            row = self._rows[state] = self._derive(self._states[state])
        return row

    def read(self, state: int, data: bytes) -> int:
        """The state after some bytes."""
        for byte in data:
            state = self.row(state)[byte]
        return state

    def matches(self, text: str) -> bool:
        """Whether the whole text is a match; half a character is in none."""
        return self.accepts(self.read(self.start, text.encode(errors="surrogatepass")))

    def shortest_match(self) -> str:
        """A match of the fewest bytes, of plain letters where there is a choice; InputError without any."""
        if self.start == DEAD:
            raise InputError("nothing matches the pattern", hint="give one that allows an answer")
        state, text = self.start, bytearray()
        while not self.accepts(state):
            row, missing = self.row(state), self.shortest(state)
            nearer = [byte for byte in range(256) if self.shortest(row[byte]) == missing - 1]
            text.append(min(nearer, key=lambda byte: (byte not in _PLAIN, byte)))
            state = row[text[-1]]
        return text.decode()

    def _number(self, terms: frozenset[_Term]) -> int:
        found = self._numbers.get(terms)
        if found is None:
            if len(self._states) >= MAX_STATES or len(terms) > _MAX_TERMS:
                raise _too_many()
            self._terms.spend(len(terms))
            found = self._numbers[terms] = len(self._states)
            self._states.append(terms)
            self._rows.append(None)
            self._shortest.append(min((term.shortest for term in terms), default=_NEVER))
        return found

    def _derive(self, terms: frozenset[_Term]) -> tuple[int, ...]:
        """Cut the bytes into sets that lead to the same state."""
        blocks: list[tuple[int, list[_Term]]] = [(_bits(0, 255), [])]
        for mask, rest in self._firsts(terms):
            self._terms.spend(len(blocks))
            for place, (block, found) in enumerate(tuple(blocks)):
                if block & mask:
                    if block & ~mask:
                        blocks[place] = block & mask, found
                        blocks.append((block & ~mask, found.copy()))
                    found.append(rest)
        row = [DEAD] * 256
        for block, found in blocks:
            state = self._number(frozenset(found))
            while block and state != DEAD:
                lowest = block & -block
                row[lowest.bit_length() - 1] = state
                block ^= lowest
        return tuple(row)

    def _firsts(self, terms: frozenset[_Term]) -> set[tuple[int, _Term]]:
        firsts = set[tuple[int, _Term]]()
        for term in terms:
            told = self._terms.firsts(term)
            self._terms.spend(len(told))
            firsts.update(told)
        return firsts
