"""Branches, tags and HEAD: pointers to steps, moved by compare-and-swap.

An object of this class remembers where it last saw the current branch. If
another writer moved it since, `advance` raises StaleHeadError and moves nothing;
the step itself is stored and can be found, and the new head is seen from then on.
"""

import difflib
import json
import re
import threading
from collections.abc import Sequence

from sightline.errors import CorruptStoreError, InputError, NotFoundError, StaleHeadError
from sightline.store.database import Store

MAIN = "main"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")
_HEX = re.compile(r"[0-9a-f]{4,64}")
_BACK = re.compile(r"[0-9]{0,9}")


class Refs:
    """The pointers of one session, as one writer sees them.

    `lock` is held wherever the current branch is read and then moved: the threads of
    a session are one writer.
    """

    def __init__(self, store: Store) -> None:
        self.lock = threading.RLock()
        self._database = store.database
        if self._database.get_ref("branch", MAIN) is None and not self._database.read_only:
            try:
                self._database.move_ref("branch", MAIN, expected=None, new=None, create=True)
                self._database.put_ref("head", "HEAD", MAIN)
            except StaleHeadError:
                pass  # another process made the branch in the same moment
        head = self._database.get_ref("head", "HEAD")
        self._branch = (head.target if head else None) or MAIN
        self._seen = self._tip(self._branch)
        self._lost = head is not None and self._database.get_ref("branch", self._branch) is None

    def head(self) -> tuple[str, str | None]:
        """The current branch and the step it stands at, as this writer last saw it."""
        with self.lock:
            if self._lost:
                raise CorruptStoreError(
                    f"HEAD names the branch {self._branch!r}, which is missing",
                    hint=f"check out one of {', '.join(self.branches())}",
                )
            return self._branch, self._seen

    def branches(self) -> dict[str, str | None]:
        """Every branch and its step."""
        return {ref.name: ref.target for ref in self._database.refs("branch")}

    def tags(self) -> dict[str, str | None]:
        """Every tag and its step."""
        return {ref.name: ref.target for ref in self._database.refs("tag")}

    def branch(self, name: str, at: str | None) -> None:
        """Make a branch; InputError if the name is taken or not allowed."""
        self._new("branch", name, at)

    def tag(self, name: str, at: str | None) -> None:
        """Name a step."""
        self._new("tag", name, at)

    def _new(self, kind: str, name: str, at: str | None) -> None:
        if not _NAME.fullmatch(name) or name == "HEAD":
            raise InputError(f"{name!r} cannot name a {kind}", hint="use letters, digits, and . _ - /")
        if self._database.get_ref(kind, name) is not None:
            raise InputError(f"there is already a {kind} {name!r}", hint="choose another name")
        self._database.move_ref(kind, name, expected=None, new=at, create=True)

    def checkout(self, name: str) -> None:
        """Make a branch the current one."""
        if not _NAME.fullmatch(name) or self._database.get_ref("branch", name) is None:
            raise self._unknown("branch", name)
        with self.lock:
            self._database.put_ref("head", "HEAD", name)
            self._branch, self._seen, self._lost = name, self._tip(name), False

    def advance(self, step: str) -> None:
        """Move the current branch to a new step; forgets what could be redone."""
        with self.lock:
            self._move(step)
            self._set_redo([])

    def undo(self, n: int = 1) -> str | None:
        """Move the current branch back; InputError if it has fewer steps."""
        _count("undo", n)
        with self.lock:
            at, redo = self.head()[1], self._redo()
            passed: list[str] = []
            for _ in range(n):
                if at is None:
                    raise InputError(
                        f"branch {self._branch!r} has only {len(passed)} steps to undo", hint="undo fewer"
                    )
                passed.append(at)
                at = self._database.get_parent(at)
            self._move(at)
            self._set_redo([*redo, *passed])
        return at

    def redo(self, n: int = 1) -> str | None:
        """Take back undos; InputError if there are fewer."""
        _count("redo", n)
        with self.lock:
            redo = self._redo()
            if n > len(redo):
                raise InputError(
                    f"{len(redo)} steps can be redone, not {n}", hint="redo follows undo, before new steps"
                )
            target = redo[-n]
            self._move(target)
            self._set_redo(redo[:-n])
        return target

    def resolve(self, name: str) -> str | None:
        """The step that a branch, tag, HEAD, HEAD~2, id or beginning of an id names."""
        base, _, back = name.partition("~")
        at = self._base(base)
        if not _BACK.fullmatch(back):
            raise InputError(f"{name!r} is not a step", hint="use HEAD~2 for the step two before")
        for _ in range(int(back or 0)):
            if at is None:
                raise NotFoundError(f"{name!r} goes back beyond the first step", hint="use a smaller number")
            at = self._database.get_parent(at)
        return at

    def _base(self, name: str) -> str | None:
        if name == "HEAD":
            return self.head()[1]
        if not _NAME.fullmatch(name):
            raise self._unknown("branch, tag or step", name)
        for kind in ("branch", "tag"):
            ref = self._database.get_ref(kind, name)
            if ref is not None:
                return ref.target
        if _HEX.fullmatch(name):
            return str(self._database.get_step(name)["id"])
        raise self._unknown("branch, tag or step", name)

    def _unknown(self, kind: str, name: str) -> NotFoundError:
        known = [*self.branches(), *self.tags()]
        near = difflib.get_close_matches(name, known, 3) or known
        return NotFoundError(f"there is no {kind} {name!r}", hint=f"there are {', '.join(near)}")

    def _tip(self, branch: str) -> str | None:
        ref = self._database.get_ref("branch", branch)
        return ref.target if ref else None

    def _move(self, step: str | None) -> None:
        try:
            self._database.move_ref("branch", self._branch, expected=self._seen, new=step)
        except StaleHeadError as error:
            self._seen = error.found  # the writer is told once, and can then repeat the call
            raise
        self._seen = step

    def _redo(self) -> list[str]:
        ref = self._database.get_ref("redo", self._branch)
        return redo_list(ref.target) if ref and ref.target else []

    def _set_redo(self, steps: Sequence[str]) -> None:
        text, ref = json.dumps(list(steps)), self._database.get_ref("redo", self._branch)
        if text != (ref.target if ref and ref.target else "[]"):
            self._database.put_ref("redo", self._branch, text)


def redo_list(text: str) -> list[str]:
    """The steps that can be redone, as they are stored."""
    try:
        steps = json.loads(text)
    except ValueError:
        steps = None
    if not isinstance(steps, list) or not all(isinstance(step, str) for step in steps):
        raise CorruptStoreError(
            "the list of steps to redo is damaged", hint="the next new step starts it anew"
        )
    return steps


def _count(verb: str, n: object) -> None:
    if not isinstance(n, int) or isinstance(n, bool) or n < 1:
        raise InputError(f"{verb}({n!r})", hint=f"{verb} one step or more")
