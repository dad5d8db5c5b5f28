"""Which tokens may come next, so that a whole answer matches a pattern.

A vocabulary's tokens stand in a trie of their bytes. At a state of a pattern's automaton
one walk through the trie, level by level for all nodes at once, gives the tokens that keep
a match possible and the states they lead to; walks are kept. A word of the embedded
model counts with the blank before it, so that words joined by blanks are read.

A guide also knows how few tokens lead to a match, and leaves only those tokens that can
still be followed by a whole match within the tokens that are left.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sightline_runtime.automaton import DEAD, Automaton
from sightline_runtime.engine.matching import LARGE, Matcher, Matchers
from sightline_runtime.errors import InputError
from sightline_runtime.patterns import Either, literal, parse, render
from sightline_runtime.patterns import Sequence as Parts

Ids = npt.NDArray[np.signedinteger[Any]]

_FAR = 1 << 40
"""More tokens than any answer has."""
_EXPLORED = 5_000
"""States that are looked at for the way to a match, where a vocabulary cannot spell every text."""
_KEPT_IDS = 8_000_000
"""Tokens of all walks that one grammar keeps: 8 bytes each."""
_KEPT_GRAMMARS = 8


class Vocabulary:
    """The tokens of a model as bytes, at their ids; those that stand for no text are empty.

    `ends` end an answer. `lead` stands before the first token as before every other one,
    but is no part of the text: the blank of word vocabularies.
    """

    def __init__(self, tokens: Sequence[bytes], ends: Sequence[int], lead: str = "") -> None:
        self.tokens, self.lead = tuple(tokens), lead
        self.ends = np.asarray(ends, np.int64)

    @cached_property
    def spells(self) -> bool:
        """Whether every text can be written, byte by byte if it must."""
        return len({token for token in self.tokens if len(token) == 1}) == 256

    @cached_property
    def longest(self) -> int:
        """Bytes of the longest token."""
        return max(map(len, self.tokens), default=0)

    @cached_property
    def levels(self) -> "tuple[_Level, ...]":
        """The trie, one level a byte."""
        order = sorted((i for i, token in enumerate(self.tokens) if token), key=self.tokens.__getitem__)
        lengths = np.array([len(self.tokens[i]) for i in order])
        text = np.zeros((len(order), lengths.max(initial=0)), np.uint8)
        for row, index in enumerate(order):
            text[row, : lengths[row]] = np.frombuffer(self.tokens[index], np.uint8)
        return tuple(_levels(np.asarray(order, np.int32), text, lengths))


class _Level:
    """The nodes of one depth: their bytes, their children as a stretch of the next level, their tokens."""

    def __init__(self, bytes_: npt.NDArray[np.uint8], parents: Ids, nodes: Ids, ids: Ids) -> None:
        self.bytes, self.parents = bytes_, parents
        self.ids = ids[np.argsort(nodes, kind="stable")]
        self.first_id = np.searchsorted(np.sort(nodes), np.arange(len(bytes_) + 1))
        self.first_child = np.zeros(len(bytes_) + 1, np.int64)


def _levels(ids: Ids, text: npt.NDArray[np.uint8], lengths: Ids) -> list[_Level]:
    """Cut sorted tokens (t, longest) into levels: a node is a stretch of tokens that begin alike."""
    levels: list[_Level] = []
    above = np.zeros(len(ids), np.int64)
    for depth in range(text.shape[1]):
        inside = lengths > depth
        ids, text, lengths, above = ids[inside], text[inside], lengths[inside], above[inside]
        begins = np.ones(len(ids), bool)
        begins[1:] = (above[1:] != above[:-1]) | (text[1:, depth] != text[:-1, depth])
        node = np.cumsum(begins) - 1
        ended = lengths == depth + 1
        level = _Level(text[begins, depth], above[begins], node[ended], ids[ended])
        if levels:
            count = len(levels[-1].bytes)
            levels[-1].first_child = np.searchsorted(level.parents, np.arange(count + 1))
        levels.append(level)
        above = node
    return levels


def _stretches(firsts: Ids, nodes: Ids) -> tuple[Ids, Ids]:
    """Everything in the stretches of some nodes, and which of the nodes each belongs to."""
    counts = firsts[nodes + 1] - firsts[nodes]
    owners = np.repeat(np.arange(len(nodes)), counts)
    within = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
    return firsts[nodes][owners] + within, owners


class Grammar:
    """A pattern over a vocabulary; shared by all answers that must match it, in any thread."""

    def __init__(self, pattern: str, vocabulary: Vocabulary) -> None:
        node = parse(pattern)
        self.plain = render(node)
        self.vocabulary, self.lock = vocabulary, threading.RLock()
        if vocabulary.lead:
            plain = Automaton(node)
            node = Parts((literal(vocabulary.lead), node))
            node = Either((node, Parts(()))) if plain.accepts(plain.start) else node
        self.automaton = Automaton(node)
        self._table = np.zeros((0, 256), np.int32)
        self._known = np.zeros(0, bool)
        self._missing = np.zeros(0, np.int64)
        self._walks: OrderedDict[int, tuple[Ids, Ids]] = OrderedDict()
        self._kept = 0
        self._fewest: dict[int, int] = {DEAD: _FAR}

    @property
    def start(self) -> int:
        """The state before the first token."""
        return self.automaton.start

    def check(self, limit: int) -> None:
        """Refuse a pattern that no answer of at most `limit` tokens matches."""
        with self.lock:
            least = self._least(limit)
        if least >= _FAR:
            raise InputError(
                "the model can write nothing that matches the pattern",
                hint="use words that it knows, and a pattern that allows an answer",
            )
        if least > limit:
            raise InputError(
                f"the shortest match of the pattern takes {least} tokens, max_tokens is {limit}",
                hint="raise max_tokens or shorten the pattern",
            )

    def _least(self, limit: int) -> int:
        """How few tokens an answer takes, or fewer than that where it is too many by far."""
        bytes_ = self.automaton.shortest(self.start)
        longest = self.vocabulary.longest
        if self.start != DEAD and bytes_ > limit * longest:
            return -(-bytes_ // max(1, longest))
        return self.fewest(self.start)

    def walk(self, state: int) -> tuple[Ids, Ids]:
        """The tokens that keep a match possible, and the state after each."""
        found = self._walks.get(state)
        if found is None:
            found = self._walks[state] = self._walked(state)
            self._kept += len(found[0])
            while self._kept > _KEPT_IDS and len(self._walks) > 1:
                self._kept -= len(self._walks.popitem(last=False)[1][0])
        self._walks.move_to_end(state)
        return found

    def allowed(self, state: int, left: int) -> Ids:
        """The tokens that can still be followed by a whole match, with `left` tokens to write."""
        ids, ends = self.walk(state)
        return ids[self.within(ends, left - 1)]

    def continues(self, state: int) -> bool:
        """Whether any token may follow."""
        possible = any(self.automaton.row(state))  # to any state but the dead one, which is 0
        return possible and (self.vocabulary.spells or bool(len(self.walk(state)[0])))

    def within(self, states: Ids, left: int) -> npt.NDArray[np.bool_]:
        """Of which states a match can be reached with so many tokens."""
        if not self.vocabulary.spells:
            return self._counted(states, left)
        near = np.ones(len(states), bool)
        if left < self.automaton.widest:
            far = self._missing[states] > left
            near[far] = self._counted(states[far], left)
        return near

    def fewest(self, state: int) -> int:
        """How few tokens lead to a match.

        Exact where the vocabulary cannot spell every text. Where it can, the count of the way
        along which every byte comes nearer to the shortest match: seldom one too many.
        """
        if state not in self._fewest:
            self._descend(state) if self.vocabulary.spells else self._explore(state)
        return self._fewest[state]

    def _counted(self, states: Ids, left: int) -> npt.NDArray[np.bool_]:
        distinct, which = np.unique(states, return_inverse=True)
        return np.array([self.fewest(int(state)) <= left for state in distinct], bool)[which]

    def _walked(self, state: int, *, nearer: bool = False) -> tuple[Ids, Ids]:
        """Walk through the trie; `nearer` only along bytes that bring the shortest match nearer."""
        ids, ends = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)]
        nodes, before = np.zeros(1, np.int64), np.asarray([state], np.int32)
        firsts = np.array([0, len(self.vocabulary.levels[0].bytes)])
        for level in self.vocabulary.levels:
            nodes, owners = _stretches(firsts, nodes)
            before = before[owners]
            states = self._rows(before)[before, level.bytes[nodes]]
            alive = states != DEAD
            if nearer:
                alive &= self._missing[states] < self._missing[before]
            nodes, before, firsts = nodes[alive], states[alive], level.first_child
            if not len(nodes):
                break
            told, owners = _stretches(level.first_id, nodes)
            ids.append(level.ids[told])
            ends.append(before[owners])
        return np.concatenate(ids), np.concatenate(ends)

    def _rows(self, states: Ids) -> npt.NDArray[np.int32]:
        """The table of transitions, with the rows of these states filled."""
        if len(self._known) < len(self.automaton):
            self._grow()
        unknown = states[~self._known[states]]
        for state in np.unique(unknown):
            self._table[state], self._known[state] = self.automaton.row(int(state)), True
        if len(unknown):
            self._grow()
        return self._table

    def _grow(self) -> None:
        """Make room for all states that were met, and note how many bytes each is from a match."""
        count, met = len(self._known), len(self.automaton)
        if met > count:
            more = max(met, 2 * count) - count
            self._table = np.pad(self._table, ((0, more), (0, 0)))
            self._known = np.pad(self._known, (0, more))
        noted = [self.automaton.shortest(state) for state in range(len(self._missing), met)]
        self._missing = np.concatenate([self._missing, np.array(noted, np.int64)])

    def _descend(self, state: int) -> None:
        """Count along tokens that bring the shortest match nearer, states nearest to it first."""
        nearer: dict[int, list[int]] = {}
        todo = [state]
        while todo:
            here = todo.pop()
            if self.automaton.accepts(here):
                self._fewest[here] = 0
            if here not in self._fewest and here not in nearer:
                nearer[here] = np.unique(self._walked(here, nearer=True)[1]).tolist()
                todo += nearer[here]
        for here in sorted(nearer, key=self.automaton.shortest):
            self._fewest[here] = 1 + min((self._fewest[end] for end in nearer[here]), default=_FAR)

    def _explore(self, state: int) -> None:
        """Count back from every match among all states that tokens lead to."""
        before: dict[int, list[int]] = {state: []}
        todo = [state]
        for here in todo:
            for end in np.unique(self.walk(here)[1]).tolist():
                if end not in before:
                    todo.append(end)
                before.setdefault(end, []).append(here)
            if len(todo) > _EXPLORED:
                raise InputError(
                    "the pattern leads this model's words too many ways", hint="make its repeats shorter"
                )
        queue = [here for here in todo if self.automaton.accepts(here)]
        counts = dict.fromkeys(queue, 0)
        for here in queue:
            for earlier in before[here]:
                if earlier not in counts:
                    counts[earlier] = counts[here] + 1
                    queue.append(earlier)
        self._fewest |= {found: counts.get(found, _FAR) for found in todo}


class Guide:
    """One answer on its way through a grammar; a `matcher` tells the tokens sooner while there is room."""

    def __init__(self, grammar: Grammar, matcher: Matcher | None = None) -> None:
        self._grammar, self._matcher, self._state = grammar, matcher, grammar.start

    @property
    def done(self) -> bool:
        """Whether what was written matches and nothing more can be added."""
        with self._grammar.lock:
            return self._grammar.automaton.accepts(self._state) and not self._grammar.continues(self._state)

    def allowed(self, left: int) -> Ids:
        """The tokens that can still be followed by a whole match, with `left` tokens to write."""
        grammar = self._grammar
        if left <= grammar.automaton.widest:
            self._matcher = None  # it knows nothing of what is left
        with grammar.lock:
            kept = self._matcher.allowed() if self._matcher else None
            if kept is None:
                self._matcher, kept = None, grammar.allowed(self._state, left)
            accepts = grammar.automaton.accepts(self._state)
        return np.concatenate([kept, grammar.vocabulary.ends]) if accepts else kept

    def masked(self, scores: Tensor, left: int) -> Tensor:
        """Log-probabilities (v,) among the allowed tokens alone, whatever a model's scores (v,) are."""
        ids = torch.from_numpy(self.allowed(left)).to(scores.device, torch.int64)
        told = scores[ids].double().nan_to_num(-1e30, 1e30, -1e30).log_softmax(-1)
        masked = torch.full(scores.shape, -torch.inf, dtype=told.dtype, device=told.device)
        return masked.index_put((ids,), told)

    def advance(self, token: int) -> None:
        """Go on after a token."""
        grammar = self._grammar
        with grammar.lock:
            self._state = grammar.automaton.read(self._state, grammar.vocabulary.tokens[token])
        if self._matcher:
            self._matcher.advance(token)


class Grammars:
    """The grammars of one model: those used last are kept. The vocabulary is made at first use."""

    def __init__(self, vocabulary: Callable[[], Vocabulary]) -> None:
        self._make, self._lock = vocabulary, threading.Lock()
        self._kept: OrderedDict[str, Grammar] = OrderedDict()

    def guide(self, pattern: str, limit: int) -> Guide | None:
        """A guide to an answer of at most `limit` tokens; None without a pattern. See `Grammar.check`."""
        if not pattern:
            return None
        with self._lock:
            grammar, vocabulary, matchers = self._kept.get(pattern), self._vocabulary, self._matchers
        if grammar is None or grammar.automaton.worn:
            grammar = Grammar(pattern, vocabulary)  # meanwhile nobody waits for the lock
        self._keep(pattern, grammar)
        grammar.check(limit)
        return Guide(grammar, matchers.matcher(grammar.plain) if matchers else None)

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        return self._make()

    @cached_property
    def _matchers(self) -> Matchers | None:
        vocabulary = self._vocabulary
        worth = vocabulary.spells and len(vocabulary.tokens) >= LARGE and Matchers.installed()
        return Matchers(vocabulary.tokens, int(vocabulary.ends[0])) if worth else None

    def _keep(self, pattern: str, grammar: Grammar) -> None:
        with self._lock:
            self._kept[pattern] = grammar
            self._kept.move_to_end(pattern)
            while len(self._kept) > _KEPT_GRAMMARS:
                self._kept.popitem(last=False)
