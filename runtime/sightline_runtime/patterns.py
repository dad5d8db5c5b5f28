r"""Regular expressions that a whole answer must match: read, checked, and written again.

The language is a part of what Python and Rust both know, with whole matches in mind:

    abc \. \n \x41 \u00e9 \u{1F600}    literals and escapes
    . [a-z] [^"\\] \d \w \s \D \W \S   classes; \d, \w and \s are ASCII, `.` is all but \n
    (a) (?:a) a|b                      groups and alternatives, none of them remembered
    a? a* a+ a{3} a{2,} a{2,5}         repeats; their order of trying means nothing here

`^` at the very start and `$` at the very end may be written. There are no lookarounds, no
back references, no flags. Whatever else is written is an `InputError`, as is a pattern whose
repeats, written out, hold more than `MAX_LETTERS` classes.
"""

from dataclasses import dataclass
from typing import NoReturn

from sightline_runtime.errors import InputError

MAX_LENGTH = 100_000
"""Characters of a pattern."""
MAX_LETTERS = 50_000_000
"""Character classes of a pattern, those of repeats counted as often as they may occur."""
_MAX_DEPTH = 50
_MAX_REPEAT = 10_000
_LAST = 0x10FFFF
_SURROGATES = (0xD800, 0xDFFF)

Ranges = tuple[tuple[int, int], ...]
"""Code points, as first and last of each stretch, ordered and apart."""


@dataclass(frozen=True)
class Chars:
    """One character of a class; no ranges match nothing."""

    ranges: Ranges


@dataclass(frozen=True)
class Sequence:
    """One part after the other; none is the empty text."""

    parts: tuple["Node", ...]


@dataclass(frozen=True)
class Either:
    """One of some options."""

    options: tuple["Node", ...]


@dataclass(frozen=True)
class Repeat:
    """A part `low` to `high` times, None without an end."""

    part: "Node"
    low: int
    high: int | None


Node = Chars | Sequence | Either | Repeat
"""A pattern that was read."""


def ranges(*stretches: tuple[int, int]) -> Ranges:
    """Code points in order, stretches that touch joined; halves of surrogate pairs left out."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(stretches):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(high, merged[-1][1])
        else:
            merged.append((low, high))
    first, last = _SURROGATES
    whole: list[tuple[int, int]] = []
    for low, high in merged:
        whole += [(a, b) for a, b in ((low, min(high, first - 1)), (max(low, last + 1), high)) if a <= b]
    return tuple(whole)


def others(chars: Ranges) -> Ranges:
    """All code points that are not among these."""
    gaps, start = [], 0
    for low, high in chars:
        gaps.append((start, low - 1))
        start = high + 1
    return ranges(*[(a, b) for a, b in [*gaps, (start, _LAST)] if a <= b])


def literal(text: str) -> Sequence:
    """The pattern of exactly this text."""
    return Sequence(tuple(Chars(((ord(char), ord(char)),)) for char in text))


def escape(text: str) -> str:
    """A text as a pattern of itself."""
    return "".join(_written(ord(char)) for char in text)


def render(node: Node) -> str:
    """Write a pattern; `parse` reads the same from it, and so do Python and Rust."""
    if isinstance(node, Chars):
        return _class(node.ranges)
    if isinstance(node, Sequence):
        return "".join(f"(?:{render(p)})" if isinstance(p, Either) else render(p) for p in node.parts)
    if isinstance(node, Either):
        return "|".join(f"(?:{render(option)})" for option in node.options)
    part = render(node.part) if isinstance(node.part, Chars) else f"(?:{render(node.part)})"
    return part + f"{{{node.low},{'' if node.high is None else node.high}}}"


def _class(chars: Ranges) -> str:
    if len(chars) == 1 and chars[0][0] == chars[0][1]:
        return _written(chars[0][0])
    if not chars:
        return r"[^\x00-\U0010ffff]"
    return "[" + "".join(_written(a) if a == b else f"{_written(a)}-{_written(b)}" for a, b in chars) + "]"


def _written(point: int) -> str:
    char = chr(point)
    if char.isascii() and not char.isprintable():
        return f"\\x{point:02x}"
    if not char.isprintable():
        return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"
    return f"\\{char}" if char in _MARKS else char


_MARKS = r"""\.+*?()|[]{}^$#&-~/"""
"""What an escape makes a literal, whether it needs one or not."""
_DIGIT: Ranges = ((0x30, 0x39),)
_WORD: Ranges = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
_SPACE: Ranges = ((0x09, 0x0D), (0x20, 0x20))
_CLASSES = {"d": _DIGIT, "w": _WORD, "s": _SPACE}
_CLASSES |= {name.upper(): others(chars) for name, chars in _CLASSES.items()}
_REPEATS = {"?", "*", "+", "{"}
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v"}
ANYTHING = Chars(others(((0x0A, 0x0A),)))
"""What `.` stands for."""


def parse(pattern: str) -> Node:
    """Read a pattern; InputError says what is wrong with it, and where."""
    if len(pattern) > MAX_LENGTH:
        raise InputError(f"the pattern has {len(pattern)} characters", hint=f"use at most {MAX_LENGTH}")
    node = _Parser(pattern).whole()
    letters = _letters(node)
    if letters > MAX_LETTERS:
        raise InputError(
            f"the pattern's repeats add up to {letters} characters", hint=f"use at most {MAX_LETTERS}"
        )
    return node


def _letters(node: Node) -> int:
    if isinstance(node, Chars):
        return 1
    if isinstance(node, Repeat):
        return max(_letters(node.part), 1) * max(1, node.low if node.high is None else node.high)
    return sum(map(_letters, node.parts if isinstance(node, Sequence) else node.options))


class _Parser:
    """Reads a pattern from left to right."""

    def __init__(self, text: str) -> None:
        self._text, self._at, self._depth = text, 0, 0

    def whole(self) -> Node:
        self._take("^")
        node = self._either()
        self._take("$")
        if self._at < len(self._text):
            self._wrong("a closing parenthesis too many" if self._next() == ")" else "an anchor inside")
        return node

    # --- reading -----------------------------------------------------------------------------

    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self, text: str) -> bool:
        found = self._text.startswith(text, self._at)
        self._at += len(text) * found
        return found

    def _wrong(self, what: str) -> NoReturn:
        near = self._text[max(0, self._at - 20) : self._at + 20]
        raise InputError(
            f"the pattern has {what} at place {self._at}, near {near!r}",
            hint="use literals, classes, groups, alternatives and repeats",
        )

    # --- structure ---------------------------------------------------------------------------

    def _either(self) -> Node:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            self._wrong(f"more than {_MAX_DEPTH} groups in each other")
        options = [self._sequence()]
        while self._take("|"):
            options.append(self._sequence())
        self._depth -= 1
        return options[0] if len(options) == 1 else Either(tuple(options))

    def _sequence(self) -> Node:
        parts = []
        while self._next() not in ("", "|", ")", "$"):
            parts.append(self._repeated(self._atom()))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _repeated(self, part: Node) -> Node:
        if self._next() not in _REPEATS:
            return part
        low, high = self._bounds()
        if (high is not None and not low <= high) or max(low, high or 0) > _MAX_REPEAT:
            self._wrong(f"a repeat of {low} to {high} times")
        if self._next() in _REPEATS:
            self._wrong("a repeat of a repeat without a group")
        return Repeat(part, low, high)

    def _bounds(self) -> tuple[int, int | None]:
        for mark, bounds in (("?", (0, 1)), ("*", (0, None)), ("+", (1, None))):
            if self._take(mark):
                return bounds
        self._take("{")
        low, comma = self._number(), self._take(",")
        high = self._number() if comma else low
        if not self._take("}") or low is None:
            self._wrong("a repeat that is not {m}, {m,} or {m,n}")
        return low, high

    def _number(self) -> int | None:
        start = self._at
        while self._next() and self._next() in "0123456789":
            self._at += 1
        if self._at - start > 9:
            self._wrong("a repeat beyond all bounds")
        return int(self._text[start : self._at]) if self._at > start else None

    def _atom(self) -> Node:
        char = self._next()
        if char == "(":
            return self._group()
        if char in "?*+{}]^":
            self._wrong("an anchor inside" if char == "^" else f"{char!r} where nothing stands before it")
        self._at += 1
        if char == "[":
            return Chars(self._set())
        if char == ".":
            return ANYTHING
        return Chars(self._escape() if char == "\\" else self._point(char))

    def _group(self) -> Node:
        self._take("(")
        if self._next() == "?" and not self._take("?:"):
            self._wrong("a group of another kind than ( ) and (?: )")
        node = self._either()
        if not self._take(")"):
            self._wrong("a group without an end")
        return node

    # --- characters --------------------------------------------------------------------------

    def _point(self, char: str) -> Ranges:
        if _SURROGATES[0] <= ord(char) <= _SURROGATES[1]:
            self._wrong("half a character")
        return ((ord(char), ord(char)),)

    def _escape(self) -> Ranges:
        char = self._next()
        self._at += 1
        if char in _CLASSES:
            return _CLASSES[char]
        if char in _CONTROLS:
            return self._point(_CONTROLS[char])
        if char and char in "xuU":
            return self._point(self._coded({"x": 2, "u": 4, "U": 8}[char]))
        if not char or char.isalnum():
            self._wrong(f"the escape \\{char}")
        return self._point(char)

    def _coded(self, digits: int) -> str:
        braced = self._take("{")
        end = self._text.find("}", self._at, self._at + 9) if braced else self._at + digits
        code = self._text[self._at : max(end, self._at)]
        whole = bool(code) and (braced or len(code) == digits)
        if not whole or set(code) - set("0123456789abcdefABCDEF") or int(code, 16) > _LAST:
            self._wrong("an escape that is no character")
        self._at = end + braced
        return chr(int(code, 16))

    def _set(self) -> Ranges:
        negated = self._take("^")
        stretches: list[tuple[int, int]] = []
        first = True
        while first or self._next() != "]":
            stretches += self._stretch()
            first = False
        self._at += 1
        chars = ranges(*stretches)
        return others(chars) if negated else chars

    def _stretch(self) -> Ranges:
        """One character, one class, or one stretch of a set."""
        start = self._member()
        if self._next() != "-" or self._text[self._at + 1 : self._at + 2] in ("]", ""):
            return start
        self._at += 1
        end = self._member()
        (low, single), (high, last) = start[0], end[0]
        if len(start) + len(end) > 2 or low != single or high != last or low > high:
            self._wrong("a stretch of characters that does not go upwards")
        return ((low, high),)

    def _member(self) -> Ranges:
        char = self._next()
        if not char:
            self._wrong("a set without an end")
        if char == "[" or self._text.startswith(("&&", "--", "~~"), self._at):
            self._wrong("a set of sets")
        self._at += 1
        return self._escape() if char == "\\" else self._point(char)
