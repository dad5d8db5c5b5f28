"""A writer that is killed in the middle: python crash_writer.py <store> <seed> <phase> <call>.

It works on a session for ever and says on standard output every step that a verb has
given back. `phase` names a function of the write path and `call` which call of it is
never finished: the process kills itself as kill -9 does, before or after the call;
"none" leaves the killing to the parent.
"""

import os
import random
import signal
import sys
from contextlib import suppress

import sightline as sl
from sightline.store.database import Database
from sightline.store.objects import Objects
from sightline_runtime.testing import FakeRuntime

PHASES = {
    "object": (Objects, "put"),
    "image": (Database, "insert_image"),
    "step": (Database, "insert_step"),
    "ref": (Database, "move_ref"),
    "fsync": (os, "fsync"),
    "rename": (os, "replace"),
}


def die_at(phase, call, after):
    """Make the call-th call of a phase the last thing that this process does."""
    owner, name = PHASES[phase]
    real, calls = getattr(owner, name), iter(range(1, 10**9))

    def last(*args, **kwargs):
        if next(calls) != call:
            return real(*args, **kwargs)
        if after:
            real(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, last)


def work(session, choose):
    """Do one thing; gives the step it made, None for a move."""
    drawn = session.generate(f"a red star {choose.random()}")
    yield drawn
    yield session.edit(drawn, f"make it blue {choose.random()}")
    yield session.understand(drawn, f"what is it {choose.random()} ?")
    yield session.crop(drawn, (0, 0, 1 + choose.randrange(60), 1 + choose.randrange(60)))
    if choose.random() < 0.5:
        session.undo(choose.randrange(1, 3))
    if choose.random() < 0.5:
        session.branch(f"b{choose.random()}", at=drawn)


def main(store, seed, phase, call):
    """Work until the end comes."""
    with sl.Session(store, runtime=FakeRuntime(), seed=int(seed)) as session:
        choose = random.Random(f"{seed}/{os.getpid()}")
        if phase != "none":
            die_at(phase, int(call), after=int(seed) % 2 == 0)
        while True:
            with suppress(sl.StaleHeadError):  # another writer was first: say it again
                for made in work(session, choose):
                    sys.stdout.write(made.step.id + "\n")
                    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
