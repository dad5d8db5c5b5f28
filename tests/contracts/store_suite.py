"""What every store must do, whatever keeps its rows. A test calls each check with a place to open stores in.

`place.open(session)` opens the same store again and again; `place.again(session)` is a
second opening beside the first, which a store in memory does not have (CHECKS_OF_TWO).
"""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from sightline.errors import InputError, NotFoundError, StaleHeadError, StoreError
from sightline.store.database import Database, Store
from sightline.store.opening import open_store
from sightline.tree.steps import Step

ROOT = Path(__file__).parents[2]


@dataclass
class Place:
    """Where the stores of one check are, and those that it opened."""

    where: str | None
    objects: str | None = None
    opened: list[Store] = field(default_factory=list)

    def again(self, session: str = "main") -> Database:
        """Open the store for a session, beside those that are open."""
        self.opened.append(open_store(self.where, session=session, objects=self.objects))
        return self.opened[-1].database

    def close(self) -> None:
        """Close what was opened."""
        for store in self.opened:
            store.close()


def step(number: int, parent: str | None = None, **change: object) -> Step:
    """A step of its own."""
    values: dict[str, object] = {
        "tool": "generate",
        "version": "1",
        "args": {"prompt": f"picture {number}"},
        "seeds": (number, 2**63 - 1),
        "outputs": {},
        "usage": {},
        "status": "done",
        "fingerprint": "f",
        "recipe": f"r{number}",
        "parent": parent,
        "data_parents": (),
        "started": float(number),
        "ended": number + 0.1,
    }
    return Step(**values | change)  # type: ignore[arg-type]


def insert(database: Database, made: Step) -> Step:
    """Insert a step and the rows of its pictures."""
    for pixels in made.images():
        picture(database, pixels)
    database.insert_step(made.to_row(), made=made.images())
    return made


def picture(database: Database, pixels: str) -> None:
    """Insert the row of a picture."""
    row = {"pixels": pixels, "blob": "b" * 64, "width": 3, "height": 2, "mode": "RGB"}
    database.insert_image(row | {"media_type": "image/png"})


def shows(*pixels: str) -> dict[str, object]:
    """The outputs of a step that made pictures."""
    return {"images": [{"$image": digest} for digest in pixels]}


# --- steps and pictures ----------------------------------------------------------------------


def check_a_step_comes_back_as_it_was(place: Place) -> None:
    """Every field is stored exactly, by the id or the beginning of it."""
    database = place.again()
    first = insert(database, step(0))
    made = insert(database, step(1, first.id, data_parents=(first.id,), error={"code": "c"}, usage={"n": 3}))
    for name in (made.id, made.id[:6]):
        assert Step.from_row(database.get_step(name)) == made
    assert database.has_step(made.id)
    assert not database.has_step(made.id[:6])
    assert [row["id"] for row in database.steps()] == [made.id, first.id]


def check_a_step_is_inserted_once(place: Place) -> None:
    """The same step again changes nothing."""
    database = place.again()
    made = insert(database, step(1, outputs=shows("a" * 64)))
    insert(database, made)
    assert len(database.steps()) == 1
    assert database.search("picture") == [made.id]


def check_unknown_and_ambiguous_names_are_refused(place: Place) -> None:
    """A beginning of no id is not found, one of several ids is asked to be longer."""
    database = place.again()
    steps = [insert(database, step(number)) for number in range(40)]
    shared = next(made.id[0] for made in steps if sum(other.id[0] == made.id[0] for other in steps) > 1)
    with pytest.raises(InputError, match="several"):
        database.get_step(shared)
    for name in ("nothing", "\x00", "'; DROP TABLE steps; --", "ä"):
        with pytest.raises(NotFoundError):
            database.get_step(name)


def check_steps_are_listed_newest_first(place: Place) -> None:
    """The order is that of insertion, and a limit takes the newest."""
    database = place.again()
    ids = [insert(database, step(number)).id for number in (5, 1, 9)]
    assert [row["id"] for row in database.steps()] == ids[::-1]
    assert [row["id"] for row in database.steps(2)] == ids[:0:-1]


def check_a_line_runs_from_a_step_to_its_root(place: Place) -> None:
    """A step and those before it, newest first, at most so many; other branches are not in it."""
    database = place.again()
    ids: list[str] = []
    for number in range(5):
        ids.append(insert(database, step(number, parent=ids[-1] if ids else None)).id)
    insert(database, step(9, parent=ids[2]))
    assert [row["id"] for row in database.line(ids[4], 99)] == ids[::-1]
    assert [row["id"] for row in database.line(ids[3], 2)] == ids[3:1:-1]
    with pytest.raises(NotFoundError):
        database.line("0" * 64, 5)


def check_texts_of_every_kind_come_back(place: Place) -> None:
    """Signs of all languages, quotes, a NUL, half a megabyte of text: what goes in comes out."""
    database = place.again()
    texts = ["", "ä 😀 中文 \u202e", "\x00 between \x00", "'\";--%_:x ?", "\n\t\\", "long " * 100_000]
    for number, prompt in enumerate(texts):
        made = insert(database, step(number, args={"prompt": prompt}, outputs={"text": prompt}))
        assert Step.from_row(database.get_step(made.id)).args["prompt"] == prompt


def check_a_picture_row_is_kept_and_mended(place: Place) -> None:
    """A picture's row is there once; the same pixels written again mend it."""
    database = place.again()
    row = {"pixels": "a" * 64, "blob": "b", "width": 3, "height": 2, "mode": "RGB", "media_type": "image/png"}
    database.insert_image(row | {"blob": "wrong"})
    database.insert_image(row)
    assert database.get_image("a" * 64) == row
    assert database.images() == [row]
    assert database.get_image("c" * 64) is None


def check_a_step_never_names_what_is_missing(place: Place) -> None:
    """A step whose picture or parent is not there is refused whole."""
    database = place.again()
    with pytest.raises(StoreError, match="aaaaaaaa"):
        database.insert_step(step(1).to_row(), made=["a" * 64])
    for orphan in (step(1, "b" * 64), step(1, data_parents=("b" * 64,))):
        with pytest.raises(StoreError, match="bbbbbbbb"):
            database.insert_step(orphan.to_row())
    assert database.steps() == []


def check_the_newest_and_the_first_maker(place: Place) -> None:
    """A picture that two steps made has both a newest and a first maker."""
    database = place.again()
    first, second = (insert(database, step(number, outputs=shows("a" * 64))) for number in (1, 2))
    assert database.producer("a" * 64) == second.id
    assert database.first_producer("a" * 64) == first.id
    assert database.producer("b" * 64) is None


def check_short_numbers_are_stable(place: Place) -> None:
    """Pictures are numbered as they come; a number stays, also after its picture is gone."""
    database = place.again()
    insert(database, step(1, outputs=shows("b" * 64, "a" * 64)))
    insert(database, step(2, outputs=shows("a" * 64, "c" * 64)))
    assert [database.alias(letter * 64) for letter in "bacd"] == [1, 2, 3, None]
    assert [database.aliased(number) for number in (1, 2, 3, 4)] == ["b" * 64, "a" * 64, "c" * 64, None]
    assert database.pixels_like("ccc") == ["c" * 64]
    assert database.pixels_like("x") == []
    numbered = [(number, row["pixels"]) for number, row in database.numbered_images()]
    assert numbered == [(1, "b" * 64), (2, "a" * 64), (3, "c" * 64)]
    database.delete_images(["c" * 64])
    insert(database, step(3, outputs=shows("d" * 64)))
    assert database.alias("d" * 64) == 4


# --- pointers --------------------------------------------------------------------------------


def check_pointers_move_by_comparison(place: Place) -> None:
    """A pointer moves only from where it was seen; the stale writer is told both heads."""
    database = place.again()
    database.move_ref("branch", "main", expected=None, new=None, create=True)
    database.move_ref("branch", "main", expected=None, new="a")
    with pytest.raises(StaleHeadError) as caught:
        database.move_ref("branch", "main", expected=None, new="b")
    assert (caught.value.branch, caught.value.expected, caught.value.found) == ("main", None, "a")
    ref = database.get_ref("branch", "main")
    assert ref is not None
    assert (ref.target, ref.revision) == ("a", 2)
    with pytest.raises(NotFoundError):
        database.move_ref("branch", "other", expected=None, new="b")
    with pytest.raises(StaleHeadError):
        database.move_ref("branch", "main", expected=None, new="b", create=True)


def check_pointers_are_dropped_by_comparison(place: Place) -> None:
    """A pointer goes only from where it was seen, and once."""
    database = place.again()
    database.move_ref("branch", "alt", expected=None, new="a", create=True)
    with pytest.raises(StaleHeadError):
        database.delete_ref("branch", "alt", "b")
    database.delete_ref("branch", "alt", "a")
    assert database.refs("branch") == []
    with pytest.raises(NotFoundError):
        database.delete_ref("branch", "alt", "a")


def check_every_move_is_noted(place: Place) -> None:
    """The moves are listed newest first; one that was refused is not among them."""
    database = place.again()
    database.move_ref("branch", "main", expected=None, new="a", create=True, why="branch")
    database.move_ref("branch", "main", expected="a", new="b")
    with pytest.raises(StaleHeadError):
        database.move_ref("branch", "main", expected="a", new="c")
    database.delete_ref("branch", "main", "b")
    noted = [(row["branch"], row["before"], row["after"], row["why"]) for row in database.moves()]
    assert noted == [
        ("main", "b", None, "drop"),
        ("main", "a", "b", "advance"),
        ("main", None, "a", "branch"),
    ]
    assert [row["why"] for row in database.moves(1)] == ["drop"]


def check_pointers_are_listed_by_name(place: Place) -> None:
    """The order of names is the same in every database."""
    database = place.again()
    for name in ("b", "B", "a-1", "a/1", "a.1", "Z"):
        database.move_ref("tag", name, expected=None, new="x", create=True)
    assert [ref.name for ref in database.refs("tag")] == ["B", "Z", "a-1", "a.1", "a/1", "b"]


def check_settings_are_kept(place: Place) -> None:
    """A setting is there once, of a session or of the store."""
    database = place.again()
    database.set_meta("seed", "1")
    database.set_meta("seed", "2")
    assert database.settle("seed", "3") == "3"
    assert database.settle("seed", "4") == "3"
    assert (database.get_meta("seed"), database.get_shared("seed")) == ("2", "3")
    assert database.get_meta("other") is None


# --- stages, words, vectors ------------------------------------------------------------------


def check_stages_belong_to_steps(place: Place) -> None:
    """A stage is kept by its key and linked to steps; one that is gone is not linked."""
    database = place.again()
    database.insert_stage("k", "wrong", "{}")
    database.insert_stage("k", "blob", '{"n":1}')
    made = step(1)
    database.insert_step(made.to_row(), stages=["k", "gone"])
    row = database.get_stage("k")
    assert row is not None
    assert (row["blob"], row["meta"]) == ("blob", '{"n":1}')
    assert [row["key"] for row in database.stages_of(made.id)] == ["k"]
    database.delete_stages(["k"])
    assert database.get_stage("k") is None
    assert database.stages_of(made.id) == []


def check_steps_are_found_by_words(place: Place) -> None:
    """All words must be there, in any order, case and accent, each by its beginning; newest first."""
    database = place.again()
    cafe = insert(database, step(1, args={"prompt": "A blue DOG before the Café"}))
    dogs = insert(database, step(2, args={"question": "how many dogs ?"}, outputs={"text": "two, both blue"}))
    cat = insert(database, step(3, args={"instruction": "make it a cat_42; 中文猫"}))
    found = {
        "blue dog": [dogs, cafe],
        "dog BLUE": [dogs, cafe],
        "cafe": [cafe],
        "Cafés dog": [],
        "two": [dogs],
        "cat 42": [cat],
        "猫": [cat],
        "blue cat": [],
        "": [],
        "?!*": [],
        'dog" OR "cat': [],
        "' & | ! <-> :*": [],
        "\x00": [],
        "prompt": [],
    }
    for asked, steps in found.items():
        assert database.search(asked) == [made.id for made in steps], asked
    assert database.search("blue dog", 1) == [dogs.id]


def check_vectors_belong_to_a_model(place: Place) -> None:
    """A vector is kept for each picture and model, and listed with the pictures of the session."""
    database = place.again()
    insert(database, step(1, outputs=shows("a" * 64, "b" * 64)))
    database.put_vector("b" * 64, "m", b"\x00\xff")
    database.put_vector("a" * 64, "m", b"old")
    database.put_vector("a" * 64, "m", b"new")
    database.put_vector("a" * 64, "other", b"x")
    rows = [(row["pixels"], row["vector"]) for row in database.vectors("m")]
    assert rows == [("a" * 64, b"new"), ("b" * 64, b"\x00\xff")]


# --- many at once ----------------------------------------------------------------------------


def check_threads_share_a_database(place: Place) -> None:
    """What many threads insert is all there, under numbers without a gap."""
    database, count = place.again(), 6

    def work(number: int) -> None:
        for index in range(5):
            name = number * 5 + index
            insert(database, step(name, outputs=shows(f"{name:064x}")))

    _in_threads(work, count)
    assert len(database.steps()) == 5 * count
    assert sorted(database.alias(f"{n:064x}") or 0 for n in range(5 * count)) == [*range(1, 5 * count + 1)]


def check_threads_move_a_pointer_one_after_the_other(place: Place) -> None:
    """Each move starts where another ended; every writer that was late was told."""
    database = place.again()
    database.move_ref("branch", "main", expected=None, new="0", create=True)

    def work(number: int) -> None:
        for index in range(5):
            _advance(database, f"{number}.{index}")

    _in_threads(work, 5)
    moves = database.moves()
    assert len(moves) == 26
    assert all(later["before"] == sooner["after"] for later, sooner in pairwise(moves))


def check_a_closed_database_says_so(place: Place) -> None:
    """Reading and writing after closing are one clear error."""
    database = place.again()
    database.close()
    uses: list[Callable[[], object]] = [database.steps, lambda: database.set_meta("a", "b"), database.close]
    for use in uses[:2]:
        with pytest.raises(StoreError, match="closed"):
            use()
    uses[2]()


def check_alone_keeps_all_or_nothing(place: Place) -> None:
    """What is written alone is kept together, or not at all."""
    database = place.again()

    def fail() -> None:
        with database.alone():
            database.set_meta("a", "1")
            assert database.get_meta("a") == "1"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert database.get_meta("a") is None
    with database.alone():
        database.set_meta("a", "1")
    assert database.get_meta("a") == "1"


def check_deleting_steps_takes_what_is_theirs(place: Place) -> None:
    """Deleted steps are not listed, found, or named as makers; all others stay."""
    database = place.again()
    gone, kept = (
        insert(database, step(n, args={"prompt": "x" * 1000 + f" {n}"}, outputs=shows("a" * 64)))
        for n in (1, 2)
    )
    database.move_ref("tag", "t", expected=None, new=gone.id, create=True)
    database.delete_steps([gone.id])
    database.delete_texts()
    assert Step.from_row(database.get_step(kept.id)) == kept
    assert not database.has_step(gone.id)
    assert database.search("xxx") == [kept.id]
    assert database.first_producer("a" * 64) == kept.id
    assert database.moves() == []


# --- checks of two openings ------------------------------------------------------------------


def check_sessions_are_apart_and_share_work(place: Place) -> None:
    """Steps, pointers, numbers, moves and settings are a session's own; recipes are found by all."""
    cats, dogs = place.again("cats"), place.again("dogs")
    for database in (cats, dogs):
        database.move_ref("branch", "main", expected=None, new=None, create=True)
    insert(cats, step(1, outputs=shows("a" * 64)))
    made = insert(cats, step(2, outputs=shows("b" * 64)))
    cats.move_ref("branch", "main", expected=None, new=made.id)
    cats.set_meta("seed", "1")
    assert dogs.steps() == []
    assert dogs.search("picture") == []
    assert (dogs.alias("b" * 64), dogs.get_meta("seed"), len(dogs.moves())) == (None, None, 1)
    ref = dogs.get_ref("branch", "main")
    assert ref is not None
    assert ref.target is None
    found = dogs.find_recipe("r2")
    assert found is not None
    assert Step.from_row(found) == made
    assert Step.from_row(dogs.get_step(made.id[:8])) == made
    mine = insert(dogs, step(3, outputs=shows("b" * 64)))
    assert (dogs.alias("b" * 64), cats.alias("b" * 64)) == (1, 2)
    assert (dogs.producer("b" * 64), cats.producer("b" * 64)) == (mine.id, made.id)
    assert dogs.sessions() == ["cats", "dogs"]
    assert len(dogs.all_steps()) == 3


def check_two_writers_of_one_session(place: Place) -> None:
    """The second writer sees what the first wrote; a stale one is told and loses nothing."""
    one, two = place.again(), place.again()
    one.move_ref("branch", "main", expected=None, new=None, create=True)
    first, second = insert(one, step(1)), insert(two, step(2))
    one.move_ref("branch", "main", expected=None, new=first.id)
    with pytest.raises(StaleHeadError) as caught:
        two.move_ref("branch", "main", expected=None, new=second.id)
    assert (caught.value.expected, caught.value.found) == (None, first.id)
    assert one.has_step(second.id)
    two.move_ref("branch", "main", expected=first.id, new=second.id)


def check_processes_share_a_store(place: Place) -> None:
    """Processes on one branch lose no step, and their moves make one line."""
    database = place.again()
    database.move_ref("branch", "main", expected=None, new=None, create=True, why="branch")
    command = [
        sys.executable,
        "-m",
        "tests.contracts.store_writer",
        str(place.where),
        place.objects or "",
        "12",
    ]
    writers = [subprocess.Popen([*command, str(number)], cwd=ROOT) for number in range(3)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    moves = [row for row in database.moves() if row["why"] == "advance"]
    assert len(database.steps()) == len(moves) == 36
    assert all(later["before"] == sooner["after"] for later, sooner in pairwise(moves))
    assert sorted(database.alias(f"{n:064x}") or 0 for n in range(36)) == [*range(1, 37)]


def _advance(database: Database, to: str) -> None:
    """Move `main`, looking again whenever another writer was first."""
    while True:
        ref = database.get_ref("branch", "main")
        try:
            database.move_ref("branch", "main", expected=ref.target if ref else None, new=to)
        except StaleHeadError:
            continue
        return


def _in_threads(work: Callable[[int], None], count: int) -> None:
    with ThreadPoolExecutor(count) as pool:
        list(pool.map(work, range(count)))


CHECKS_OF_TWO = [
    check_sessions_are_apart_and_share_work,
    check_two_writers_of_one_session,
    check_processes_share_a_store,
]
CHECKS = [
    value
    for name, value in list(globals().items())
    if name.startswith("check_") and value not in CHECKS_OF_TWO
]
