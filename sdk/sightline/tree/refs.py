"""Branches, tags and HEAD: pointers to steps, moved by compare-and-swap.

An object of this class remembers where it last saw each branch. If another writer
moved one since, whatever would move or drop it raises StaleHeadError and moves
nothing; the step itself is stored and can be found, and the new head is seen from
then on. Every move is told in the reflog.
"""

import difflib
import json
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice

from sightline.errors import CorruptStoreError, InputError, NotFoundError, SightlineError, StaleHeadError
from sightline.store.database import Store
from sightline.tree.line import parent_of, walk
from sightline.tree.naming import alias_number, named_picture

MAIN = "main"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")
_HEX = re.compile(r"[0-9a-f]{4,64}")
_BACK = re.compile(r"[0-9]{0,9}")


class Refs:
    """The pointers of one session, as one writer sees them.

    `lock` is held wherever the current branch is read and then moved: the threads of
    a session are one writer.
    """

    def __init__(self, store: Store, branch: str | None = None) -> None:
        """Stand on a branch, without moving HEAD, or where HEAD is."""
        self.lock = threading.RLock()
        self._store, self._database = store, store.database
        if self._database.get_ref("head", "HEAD") is None and not self._database.read_only:
            self._begin()
        head = self._database.get_ref("head", "HEAD")
        self._branch = branch or (head.target if head else None) or MAIN
        self._seen: dict[str, str | None] = self._tips() if branch is None else self._tip_of(branch)
        self._lost = bool(head or branch) and self._branch not in self._seen

    def _begin(self) -> None:
        """Make the first branch, unless another process does in the same moment, and stand on it."""
        if not self._database.refs("branch"):
            with suppress(StaleHeadError):
                self._database.move_ref("branch", MAIN, expected=None, new=None, create=True, why="branch")
        self._database.put_ref("head", "HEAD", MAIN)

    def head(self) -> tuple[str, str | None]:
        """The current branch and the step it stands at, as this writer last saw it."""
        with self.lock:
            if self._lost:
                raise CorruptStoreError(
                    f"HEAD names the branch {self._branch!r}, which is missing",
                    hint=f"check out one of {', '.join(self._tips())}",
                )
            return self._branch, self._seen.get(self._branch)

    def branches(self) -> dict[str, str | None]:
        """Every branch and its step; this writer has then seen where the others stand."""
        with self.lock:
            tips = self._tips()
            self._seen |= {name: at for name, at in tips.items() if name != self._branch}
            return tips

    def tags(self) -> dict[str, str | None]:
        """Every tag and its step."""
        return {ref.name: ref.target for ref in self._database.refs("tag")}

    def branch(self, name: str, at: str | None) -> None:
        """Make a branch; InputError if the name is taken or not allowed."""
        self._new("branch", name, at)
        with self.lock:
            self._seen[name] = at

    def tag(self, name: str, at: str | None) -> None:
        """Name a step; InputError if the name is taken or not allowed, or if there is no step yet."""
        if at is None:
            raise InputError("there is no step to name yet", hint="add or generate a picture first")
        self._new("tag", name, at)

    def _new(self, kind: str, name: str, at: str | None) -> None:
        if not _is_name(name) or name == "HEAD" or alias_number(name) is not None:
            raise InputError(
                f"{name!r} cannot name a {kind}",
                hint="use letters, digits, and . _ - /; HEAD and img1, img2 … have a meaning of their own",
            )
        if self._database.get_ref(kind, name) is not None:
            raise InputError(f"there is already a {kind} {name!r}", hint="choose another name")
        self._database.move_ref(kind, name, expected=None, new=at, create=True, why=kind)

    def checkout(self, name: str) -> None:
        """Make a branch the current one, and see where it stands now."""
        ref = self._database.get_ref("branch", name) if _is_name(name) else None
        if ref is None:
            raise self._no_branch(name)
        with self.lock:
            self._database.put_ref("head", "HEAD", name)
            self._branch, self._lost = name, False
            self._seen[name] = ref.target

    def drop(self, name: str) -> None:
        """Remove a branch, not its steps; InputError for the current one, StaleHeadError if it moved."""
        with self.lock:
            head = self._database.get_ref("head", "HEAD")
            if name in (self._branch, head.target if head else None):
                raise InputError(f"{name!r} is the current branch", hint="check out another one first")
            ref = self._database.get_ref("branch", name) if _is_name(name) else None
            if ref is None:
                raise self._no_branch(name)
            with self._told_once(name):
                expected = self._seen.get(name, ref.target)
                self._database.delete_ref("branch", name, expected, why="drop")
            self._seen.pop(name, None)
            self._set_redo(name, [])

    def advance(self, step: str, *, branch: str | None = None, why: str = "advance") -> None:
        """Move a branch (the current one) to a new step; forgets what could be redone."""
        with self.lock:
            name = self._branch if branch is None else branch
            self._move(name, step, why)
            self._set_redo(name, [])

    def stand(self, branch: str, at: str | None) -> None:
        """Take it that a branch stands at a step, as before a transaction that came to nothing."""
        self._seen[branch] = at

    def undo(self, n: int = 1) -> str | None:
        """Move the current branch back; InputError if it has fewer steps."""
        _count("undo", n)
        with self.lock:
            name, at = self.head()
            passed, at = self._back(at, n)
            if len(passed) < n:
                raise InputError(f"branch {name!r} has only {len(passed)} steps to undo", hint="undo fewer")
            redo = self._redo(name)
            self._move(name, at, "undo")
            self._set_redo(name, [*redo, *passed])
        return at

    def redo(self, n: int = 1) -> str | None:
        """Take back undos; InputError if there are fewer, StaleHeadError if the branch moved meanwhile."""
        _count("redo", n)
        with self.lock:
            name, _ = self.head()
            redo = self._redo(name, n)
            if n > len(redo):
                self._check_seen(name)
                raise InputError(
                    f"only {len(redo)} of {n} steps can be redone", hint="redo follows undo, before new steps"
                )
            target = redo[-n]
            self._move(name, target, "redo")
            self._set_redo(name, redo[:-n])
        return target

    def tip(self, name: str) -> str | None:
        """Where this writer last saw a branch; NotFoundError if there is none of that name."""
        with self.lock:
            if not _is_name(name) or (name not in self._seen and name not in self.branches()):
                raise self._no_branch(name)
            return self._seen[name]

    def resolve(self, name: str) -> str | None:
        """The step that a name means.

        `HEAD`, a branch, a tag (`@tag` if a branch has its name), the id of a step or its
        beginning, `img3` or `sha256:…` for the step that first made a picture in this
        session; `~2` after any of these goes two steps back.
        """
        base, mark, back = name.partition("~")
        at = self._base(base)
        if not _BACK.fullmatch(back):
            raise InputError(f"{name!r} is not a step", hint="use HEAD~2 for the step two before")
        number = int(back or len(mark))
        passed, at = self._back(at, number)
        if len(passed) < number:
            raise NotFoundError(f"{name!r} goes back beyond the first step", hint="use a smaller number")
        return at

    def _back(self, at: str | None, n: int) -> tuple[list[str], str | None]:
        """The steps that are passed going back `n` steps, fewer where the line ends, and where that leads."""
        passed = []
        for row in islice(walk(self._store, at), n):
            passed.append(str(row["id"]))
            at = parent_of(row)
        return passed, at

    def _base(self, name: str) -> str | None:
        if name == "HEAD":
            return self.head()[1]
        if name.startswith("sha256:") or alias_number(name) is not None:
            return self._maker(name)
        kinds = ("tag",) if name.startswith("@") else ("branch", "tag")
        if not _NAME.fullmatch(name.removeprefix("@")):
            raise self._unknown("branch, tag or step", name)
        for kind in kinds:
            ref = self._database.get_ref(kind, name.removeprefix("@"))
            if ref is not None:
                return ref.target
        if _HEX.fullmatch(name):
            return str(self._database.get_step(name)["id"])
        raise self._unknown("tag" if name.startswith("@") else "branch, tag or step", name)

    def _maker(self, name: str) -> str:
        """The step that first made a picture in this session."""
        step = self._database.first_producer(named_picture(self._database, name))
        if step is None:
            raise NotFoundError(f"no step of this session made {name}", hint="give a step that used it")
        return step

    def _unknown(self, kind: str, name: str) -> NotFoundError:
        known = [*self._tips(), *self.tags()]
        near = difflib.get_close_matches(name.removeprefix("@"), known, 3) or known
        return NotFoundError(f"there is no {kind} {name!r}", hint=f"there are {', '.join(near)}")

    def _no_branch(self, name: str) -> NotFoundError:
        """There is no branch of that name; a name of something else is told how to get one."""
        try:
            self.resolve(str(name))
        except SightlineError:
            return self._unknown("branch", str(name))
        hint = f"make one there, branch('try', at={name!r}), or look with at({name!r})"
        return NotFoundError(f"there is no branch {name!r}, it names a step", hint=hint)

    def _tip_of(self, branch: str) -> dict[str, str | None]:
        ref = self._database.get_ref("branch", branch)
        return {} if ref is None else {branch: ref.target}

    def _tips(self) -> dict[str, str | None]:
        return {ref.name: ref.target for ref in self._database.refs("branch")}

    def _move(self, name: str, step: str | None, why: str) -> None:
        expected = self.tip(name)
        with self._told_once(name):
            self._database.move_ref("branch", name, expected=expected, new=step, why=why)
        self._seen[name] = step

    @contextmanager
    def _told_once(self, name: str) -> Iterator[None]:
        """See where another writer moved a branch: the call that failed can be repeated."""
        try:
            yield
        except StaleHeadError as error:
            self._seen[name] = error.found
            raise
        except NotFoundError as error:
            raise NotFoundError(
                f"another writer dropped the branch {name!r}",
                hint="nothing is lost, reflog() names its steps; make it again or check out another one",
            ) from error

    def _check_seen(self, name: str) -> None:
        found = self._tips().get(name)
        if found != self._seen[name]:
            expected, self._seen[name] = self._seen[name], found
            raise StaleHeadError(name, expected=expected, found=found)

    def _redo(self, name: str, n: int = 1) -> list[str]:
        """What can be redone; nothing if its last `n` steps do not follow where the branch stands.

        A kill, or another writer, between a move and this list can leave steps that do not.
        """
        ref, at = self._database.get_ref("redo", name), self._seen.get(name)
        steps = redo_list(ref.target) if ref and ref.target else []
        for step in reversed(steps[-n:]):
            if self._database.get_parent(step) != at:
                return []
            at = step
        return steps

    def _set_redo(self, name: str, steps: Sequence[str]) -> None:
        text, ref = json.dumps(list(steps)), self._database.get_ref("redo", name)
        if text != (ref.target if ref and ref.target else "[]"):
            self._database.put_ref("redo", name, text)


class Following(Refs):
    """The pointers of a session that many use at a time: each call sees the current branch where it is now.

    What a call computed goes on top of what others put on the branch meanwhile, so that no
    call is refused only because another one came first.
    """

    def head(self) -> tuple[str, str | None]:
        """The current branch and the step it stands at now."""
        with self.lock:
            self._seen |= self._tip_of(self._branch)
            return super().head()


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


def _is_name(name: object) -> bool:
    return isinstance(name, str) and bool(_NAME.fullmatch(name))


def _count(verb: str, n: object) -> None:
    if not isinstance(n, int) or isinstance(n, bool) or n < 1:
        raise InputError(f"{verb}({n!r})", hint=f"{verb} one step or more")
