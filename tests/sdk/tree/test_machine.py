"""Whatever is done to a session in whatever order: the store is whole, and nothing reachable is lost."""

import tempfile

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import sightline as sl
from sightline_runtime.testing import FakeRuntime

NAMES = st.sampled_from(["a", "b", "c", "d"])
COLORS = st.sampled_from(["red", "blue", "green"])


class Tree(RuleBasedStateMachine):
    """A session on disk beside what it should hold: the line of steps of every branch, and the tags."""

    pictures = Bundle("pictures")

    @initialize()
    def open(self):
        """Begin with an empty session."""
        self.folder = tempfile.TemporaryDirectory()
        self.session = sl.Session(self.folder.name + "/s", runtime=FakeRuntime(), seed=1)
        self.lines, self.tags, self.here = {"main": []}, {}, "main"

    def teardown(self):
        """Leave nothing behind."""
        self.session.close()
        self.folder.cleanup()

    def grown(self, result):
        """Note the new step of the current branch."""
        self.lines[self.here] = [*self.lines[self.here], result.step.id]
        return result

    @rule(target=pictures, color=COLORS)
    def generate(self, color):
        """Draw, often what was drawn before."""
        return self.grown(self.session.generate(f"a {color} star"))

    @rule(target=pictures, source=pictures, color=COLORS)
    def edit(self, source, color):
        """Edit a picture of any branch, kept or not."""
        try:
            return self.grown(self.session.edit(source, f"make the star {color}"))
        except sl.NotFoundError:  # swept away: drawn anew
            return self.grown(self.session.generate(f"a {color} star"))

    @rule(name=NAMES)
    def branch(self, name):
        """Make a branch where we are, unless there is one."""
        if name not in self.lines:
            self.session.branch(name)
            self.lines[name] = self.lines[self.here]

    @rule(data=st.data())
    def checkout(self, data):
        """Switch."""
        self.here = data.draw(st.sampled_from(sorted(self.lines)))
        self.session.checkout(self.here)

    @precondition(lambda self: len(self.lines) > 1)
    @rule(data=st.data())
    def drop(self, data):
        """Drop a branch that is not the current one."""
        name = data.draw(st.sampled_from(sorted(set(self.lines) - {self.here})))
        self.session.drop(name)
        del self.lines[name]

    @precondition(lambda self: self.lines[self.here])
    @rule(data=st.data())
    def undo(self, data):
        """Go back some steps."""
        count = data.draw(st.integers(1, len(self.lines[self.here])))
        self.session.undo(count)
        self.lines[self.here] = self.lines[self.here][:-count]

    @rule()
    def redo(self):
        """Take back an undo, if there is one."""
        try:
            step = self.session.redo()
        except sl.InputError:
            return
        self.lines[self.here] = [s.id for s in reversed(self.session.log())]
        assert self.lines[self.here][-1] == step.id

    @precondition(lambda self: self.lines[self.here])
    @rule(name=NAMES)
    def tag(self, name):
        """Pin the current step."""
        if name not in self.tags:
            self.session.tag(name)
            self.tags[name] = self.lines[self.here][-1]

    @precondition(lambda self: self.lines[self.here])
    @rule()
    def rerun(self):
        """Run the branch again without a change: nothing is computed, and the same is there."""
        again = self.session.rerun(branch="again")
        assert again.recomputed == again.invalidated == ()
        here, there = (self.session.log(branch=name) for name in (self.here, "again"))
        assert [step.outputs for step in there] == [step.outputs for step in here]
        self.session.drop("again")

    @rule()
    def sweep(self):
        """Remove all that is garbage, however young."""
        self.session.gc(dry_run=False, older_than=0)

    @rule()
    def crash(self):
        """Open the session anew; the old one is never closed, as in a process that was killed."""
        self.session = sl.Session(self.folder.name + "/s", runtime=FakeRuntime())
        assert self.session.head[0] == self.here

    @invariant()
    def everything_is_there(self):
        """Heads stand where they should, every line can be read, every digest is right."""
        if not hasattr(self, "session"):
            return
        assert set(self.session.branches) == set(self.lines)
        for name, line in self.lines.items():
            assert [step.id for step in reversed(self.session.log(branch=name))] == line
        assert dict(self.session.tags) == self.tags
        assert self.session.verify_store().problems == ()


def test_the_tree_holds_whatever_is_done_to_it():
    """Add, edit, branch, undo, drop, sweep and crash in any order."""
    run_state_machine_as_test(Tree, settings=settings(max_examples=12, stateful_step_count=18, deadline=None))


def test_a_session_whose_main_was_dropped_opens_where_it_was(tmp_path):
    """The first branch is no other branch than the rest: it does not come back by itself."""
    with sl.Session(tmp_path / "s", runtime=FakeRuntime(), seed=1) as session:
        session.branch("a")
        session.checkout("a")
        session.drop("main")
    with sl.Session(tmp_path / "s", runtime=FakeRuntime()) as session:
        assert list(session.branches) == ["a"]
        assert session.head[0] == "a"
