"""Recipes, steps and pointers."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sightline.errors import InputError, NotFoundError
from sightline.store.opening import open_store
from sightline.tree import line, memo
from sightline.tree.recipe import canonical, digest, dumps, plain, recipe_digest
from sightline.tree.refs import Refs
from sightline.tree.steps import Step

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def step(number, parent=None, **change):
    """A small step."""
    values = {
        "tool": "add",
        "version": "1",
        "args": {"n": number},
        "seeds": (number,),
        "outputs": {},
        "usage": {},
        "status": "done",
        "fingerprint": "",
        "recipe": digest(["recipe", number]),
        "parent": parent,
        "data_parents": (),
        "started": 1.5,
        "ended": 2.5,
    }
    return Step(**(values | change))


@settings(max_examples=60)
@given(VALUES)
def test_canonical_data_come_back(value):
    """Canonical form loses nothing, and its text is one text."""
    named = canonical(value)
    assert dumps(named) == dumps(json.loads(dumps(named)))
    if "$float" not in dumps(canonical(value)) or isinstance(value, float):
        assert plain(named) == value


def test_a_float_and_its_text_differ():
    """0.5 and "0.5" have other digests, and the order of names does not matter."""
    assert digest(canonical({"x": 0.5})) != digest(canonical({"x": "0.5"}))
    assert digest(canonical({"a": 1, "b": 2})) == digest(canonical({"b": 2, "a": 1}))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53, object(), b"bytes"])
def test_what_has_no_canonical_form_is_refused(value):
    """NaN, infinities, large integers and foreign objects are InputErrors."""
    with pytest.raises(InputError):
        canonical([value])


@pytest.mark.parametrize("part", range(6))
def test_every_part_of_a_recipe_counts(part):
    """Tool, arguments, inputs, seeds, model and context each change the digest."""
    base = [("edit", "1"), {"a": 1}, ["p"], [1], "f", ""]
    other = [("edit", "2"), {"a": 2}, ["q"], [2], "g", "c"]
    changed = [other[i] if i == part else value for i, value in enumerate(base)]
    assert recipe_digest(*base) != recipe_digest(*changed)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**63 - 1), st.text(max_size=20))
def test_a_step_survives_its_row(seed, text):
    """A step read back from its row is the same step, with the same id."""
    made = step(1, args={"prompt": text, "scale": {"$float": "0.5"}}, seeds=(seed,))
    assert Step.from_row(made.to_row()) == made
    assert made.derived_id() == made.id


def test_a_step_is_named_by_everything_in_it():
    """Changing the parent alone changes the id."""
    assert step(1).id != step(1, parent="0" * 64).id


def test_the_memo_wants_the_pictures_too():
    """A recipe whose picture is lost is computed again."""
    store = open_store()
    image = {"pixels": "a" * 64, "blob": store.objects.put(b"x"), "width": 1, "height": 1, "mode": "RGB"}
    store.database.insert_image(image | {"media_type": "image/png"})
    made = step(1, outputs={"image": {"$image": "a" * 64}})
    store.database.insert_step(made.to_row(), made=made.images())
    assert memo.lookup(store, made) == made
    assert store.database.producer("a" * 64) == made.id
    store.objects.discard(image["blob"], older_than=0)
    assert memo.lookup(store, made) is None
    store.close()


def test_names_resolve_to_steps():
    """Branch, tag, HEAD, HEAD~1, id and beginning of an id all name steps."""
    store = open_store()
    refs = Refs(store)
    first = step(1)
    second = step(2, parent=first.id)
    for made in (first, second):
        store.database.insert_step(made.to_row())
        refs.advance(made.id)
    refs.tag("good", first.id)
    found = [
        refs.resolve(name) for name in ("main", "HEAD", "good", "HEAD~1", second.id, second.short, "main~1")
    ]
    assert found == [second.id, second.id, first.id, first.id, second.id, second.id, first.id]
    assert refs.resolve("HEAD~2") is None
    for wrong in ("nope", "HEAD~9", "0" * 64):
        with pytest.raises(NotFoundError):
            refs.resolve(wrong)
    store.close()


def test_lines_part_at_their_last_common_step():
    """Two lines differ in the steps after it; without one they differ in all."""
    store = open_store()
    root, other = step(0), step(9)
    left, right = step(1, parent=root.id), step(2, parent=root.id)
    longer = step(3, parent=left.id)
    for made in (root, other, left, right, longer):
        store.database.insert_step(made.to_row())
    cases = {
        (longer.id, right.id): (root.id, [left.id, longer.id], [right.id]),
        (right.id, longer.id): (root.id, [right.id], [left.id, longer.id]),
        (longer.id, root.id): (root.id, [left.id, longer.id], []),
        (left.id, left.id): (left.id, [], []),
        (left.id, other.id): (None, [root.id, left.id], [other.id]),
        (None, left.id): (None, [], [root.id, left.id]),
    }
    for (a, b), expected in cases.items():
        found = line.fork(store, a, b)
        sides = ([row["id"] for row in side] for side in (found.only_a, found.only_b))
        assert (found.common, *sides) == expected
    store.close()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 99), min_size=2, max_size=30), st.integers(0, 99), st.integers(0, 99))
def test_any_two_lines_part_where_their_sets_do(parents, left, right):
    """In any tree, what `fork` reads is what all ancestors of both sides say."""
    store, made = open_store(), []
    for number, parent in enumerate(parents):
        before = made[parent % (len(made) + 1) - 1] if parent % (len(made) + 1) else None
        made.append(step(number, parent=before.id if before else None))
        store.database.insert_step(made[-1].to_row())
    a, b = made[left % len(made)], made[right % len(made)]
    lines = [[one.id for one in line.chain(store, tip.id)] for tip in (a, b)]
    shared = [name for name in lines[0] if name in lines[1]]
    found = line.fork(store, a.id, b.id)
    assert found.common == (shared[0] if shared else None)
    for side, whole in zip((found.only_a, found.only_b), lines, strict=True):
        assert [row["id"] for row in side] == [name for name in whole[::-1] if name not in shared]
    store.close()


def test_a_long_line_is_read_from_new_to_old():
    """However many rows are read at once, each step comes once, and a limit is kept."""
    store, parent, ids = open_store(), None, []
    for number in range(60):
        made = step(number, parent=parent)
        store.database.insert_step(made.to_row())
        parent = made.id
        ids.append(made.id)
    assert [row["id"] for row in line.rows(store, parent)] == ids[::-1]
    assert [one.id for one in line.chain(store, parent, 20)] == ids[:-21:-1]
    assert line.rows(store, None) == []
    store.close()


class Pointers(RuleBasedStateMachine):
    """Refs against a model of a list and a redo stack, through any order of calls."""

    def __init__(self):
        super().__init__()
        self.store = open_store()
        self.refs = Refs(self.store)
        self.count, self.line, self.undone = 0, [], []

    @rule()
    def advance(self):
        """A new step goes on top and empties the redo stack."""
        self.count += 1
        made = step(self.count, parent=self.line[-1] if self.line else None)
        self.store.database.insert_step(made.to_row())
        self.refs.advance(made.id)
        self.line.append(made.id)
        self.undone = []

    @rule(n=st.integers(1, 3))
    def undo(self, n):
        """Undo takes from the top, or refuses."""
        if n > len(self.line):
            with pytest.raises(InputError):
                self.refs.undo(n)
            return
        self.refs.undo(n)
        for _ in range(n):
            self.undone.append(self.line.pop())

    @rule(n=st.integers(1, 3))
    def redo(self, n):
        """Redo puts back in order, or refuses."""
        if n > len(self.undone):
            with pytest.raises(InputError):
                self.refs.redo(n)
            return
        self.refs.redo(n)
        for _ in range(n):
            self.line.append(self.undone.pop())

    @rule()
    def reopen(self):
        """A new reader sees the same."""
        self.refs = Refs(self.store)

    @invariant()
    def head_is_the_top(self):
        """The branch stands at the top of the line."""
        assert self.refs.head() == ("main", self.line[-1] if self.line else None)

    def teardown(self):
        self.store.close()


Pointers.TestCase.settings = settings(max_examples=15, stateful_step_count=15, deadline=None)


def test_undo_and_redo_are_inverse_in_any_order():
    """The pointer machine holds its invariant through random calls."""
    Pointers.TestCase("runTest").runTest()
