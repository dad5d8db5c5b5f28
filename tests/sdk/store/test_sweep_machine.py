"""A sweep at any moment never removes what a branch, a tag or a redo of any session leads to."""

import copy
import json

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import sightline as sl
from sightline.store.opening import open_store


class Sweeping(RuleBasedStateMachine):
    """Two sessions of one store that work, move and sweep in any order."""

    def __init__(self):
        super().__init__()
        self.store = open_store()
        self.fake = sl.FakeRuntime()

    @initialize()
    def begin(self):
        """Open both sessions on the store in memory."""
        self.sessions = [_on(self.store, self.fake, name) for name in ("a", "b")]

    @rule(which=st.integers(0, 1), picture=st.integers(0, 3))
    def draw(self, which, picture):
        """Draw a picture, perhaps one that was drawn before."""
        self.sessions[which].generate(f"a star {picture}")

    @rule(which=st.integers(0, 1), back=st.integers(0, 3))
    def cut(self, which, back):
        """Use a picture of the branch, which may be far back."""
        steps = [step for step in self.sessions[which].log() if step.images()]
        if steps:
            self.sessions[which].resize(steps[back % len(steps)], width=5 + back)

    @rule(which=st.integers(0, 1), count=st.integers(1, 3))
    def undo(self, which, count):
        """Go back, if there is a way."""
        if len(self.sessions[which].log()) >= count:
            self.sessions[which].undo(count)

    @rule(which=st.integers(0, 1))
    def redo(self, which):
        """Take an undo back, if there is one."""
        ref = self.sessions[which]._store.database.get_ref("redo", self.sessions[which].head[0])
        if ref and json.loads(ref.target):
            self.sessions[which].redo()

    @rule(which=st.integers(0, 1), name=st.sampled_from("xyz"), kind=st.sampled_from(["branch", "tag"]))
    def pin(self, which, name, kind):
        """Name the head, if the name is free."""
        session = self.sessions[which]
        if name not in {**session.branches, **session.tags} and session.head[1]:
            getattr(session, kind)(name)

    @rule(which=st.integers(0, 1), back=st.integers(0, 5))
    def switch(self, which, back):
        """Check out one of the branches."""
        names = sorted(self.sessions[which].branches)
        self.sessions[which].checkout(names[back % len(names)])

    @rule(which=st.integers(0, 1))
    def gc(self, which):
        """Sweep with no mercy for the young."""
        pinned = self.pinned()
        self.sessions[which].gc(dry_run=False, older_than=0)
        assert self.pinned() == pinned

    def pinned(self):
        """Every branch, tag and redo list of both sessions, and what each step shows."""
        shown = {}
        for session in self.sessions:
            database = session._store.database
            tips = [*session.branches.values(), *session.tags.values()]
            tips += [step for ref in database.refs("redo") for step in json.loads(ref.target)]
            for tip in filter(None, tips):
                shown |= {step.id: _shown(session, step) for step in session.log(branch=tip)}
        return shown

    @invariant()
    def whole(self):
        """The store verifies."""
        assert not hasattr(self, "sessions") or self.sessions[0].verify_store().problems == ()

    def teardown(self):
        """Free the objects in memory."""
        self.store.close()


def _on(store, fake, name):
    """A session of a store in memory that is open already."""
    session = sl.Session(runtime=fake, seed=1)
    session.close()
    database = copy.copy(store.database)
    database.session = name
    session._store = type(store)(database, store.objects, None)
    session._executor = type(session._executor)(session._store, fake, session._executor.toolbox, seed=1)
    return session


def _shown(session, step):
    return [picture.numpy().tobytes() for picture in session.show(step).images]


Sweeping.TestCase.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)
test_whatever_leads_to_a_step_keeps_it = Sweeping.TestCase
