"""verify_store: damage of every table of a store is named, in whatever session it is."""

import pytest

import sightline as sl
from sightline_runtime.testing import colored

DAMAGE = {
    "UPDATE moves SET after = 'gone' WHERE after IS NOT NULL": "a move of branch main names the missing step",
    "DELETE FROM aliases": "has no short number",
    "DELETE FROM words": "is not in the index of words",
    "UPDATE vectors SET vector = x'00'": "the vector of picture",
    "UPDATE vectors SET pixels = 'gone' || pixels": "a vector belongs to the missing picture",
    "UPDATE stages SET blob = 'gone'": "stage kept: object gone is missing",
    "UPDATE stages SET meta = '{'": "stage kept has a note that cannot be read",
    "UPDATE step_stages SET key = 'gone'": "are linked, and one is missing",
    "UPDATE refs SET target = 'gone' WHERE kind = 'branch'": "main of session b points to the missing step",
    "UPDATE refs SET target = 'gone' WHERE kind = 'head'": "HEAD names the missing branch gone of session b",
    "UPDATE refs SET target = 'oops' WHERE kind = 'redo'": "branch main of session b",
    "UPDATE steps SET tool = 'x'": "does not match its digest",
}


@pytest.mark.parametrize("statement", DAMAGE)
def test_damage_of_any_table_is_named(tmp_path, fake, statement):
    """The check of one session tells what is wrong in another, and leaves the rest unblamed."""
    with (
        sl.Session("a", store=tmp_path, runtime=fake) as a,
        sl.Session("b", store=tmp_path, runtime=fake) as b,
    ):
        b.add(colored("red"))
        b.edit("img1", "make it blue")
        b.undo()
        b.find(colored("blue"))
        store = b._store
        store.database.insert_stage("kept", store.objects.put(b"stage"), "{}")
        step = b.log()[0]
        store.database.insert_step(step.to_row(), stages=["kept"])
        assert a.verify_store().problems == ()
        store.database._write(lambda connection: connection.exec_driver_sql(statement))
        problems = a.verify_store().problems
        assert any(DAMAGE[statement] in problem for problem in problems), problems
        assert len({problem.split()[0] for problem in problems}) == 1
