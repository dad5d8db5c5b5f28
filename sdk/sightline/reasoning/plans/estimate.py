"""Estimate: what a plan may take before it runs, expected and at worst, in calls, seconds and bytes.

The plan is walked through without running anything. What is known is followed exactly:
the pictures that it is given, calls that were made before, and the conditions that hang on
them. Of what is not known, a step that hangs on a condition counts half, and a loop runs half
of its rounds; at worst each runs in full.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields

from sightline.errors import InputError, SightlineError
from sightline.reasoning.plans.nodes import Action, Condition, Let, Node, Parallel, Parts, Repeat
from sightline.reasoning.plans.pace import Pace
from sightline.reasoning.plans.values import Value, holds, resolved
from sightline.results import Picture, Result
from sightline.tree.execute import Executor
from sightline_runtime.protocol import RuntimeInfo

_MODEL_STEPS = {"generate", "edit", "draw_best"}
_OTHER = 0.005
"""Seconds for reading, writing and recording around a step, and for a tool that asks no model."""
_DRAFT = 5
"""A draft takes one in so many of the decoder's steps."""


@dataclass(frozen=True)
class Work:
    """Amounts: steps, looks, pictures, denoising and decoding steps, and the seconds that they take."""

    steps: float = 0.0
    looks: float = 0.0
    pictures: float = 0.0
    denoising: float = 0.0
    decoding: float = 0.0
    seconds: float = 0.0

    def __add__(self, other: Work) -> Work:
        return Work(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    def times(self, share: float) -> Work:
        """So many times that work."""
        return Work(*(getattr(self, each.name) * share for each in fields(self)))


@dataclass(frozen=True)
class Estimate:
    """What a run may take.

    `expected` and `worst` count work; seconds are those of a runtime that does one thing at
    a time, from the pace of a few calls: within a factor of two or three, not better.
    `memory` is what the largest step holds in pictures and features, in bytes, beside the
    model. `memoised` are the places of steps that are there already and take no model.
    """

    expected: Work
    worst: Work
    memory: int
    memoised: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """The seconds that are expected."""
        return self.expected.seconds

    def __str__(self) -> str:
        lines = [
            f"{name}: {work.seconds:.2f} s, {work.steps:g} steps: {work.looks:g} looks, "
            f"{work.pictures:g} pictures ({work.denoising:g} denoising and {work.decoding:g} decoding steps)"
            for name, work in (("expected", self.expected), ("at worst", self.worst))
        ]
        kept = [f"already made: {', '.join(self.memoised)}"] if self.memoised else []
        return "\n".join([*lines, f"memory: {self.memory / 2**20:.2f} MiB for the largest step", *kept])


def estimate(
    plan: Parts,
    info: RuntimeInfo,
    pace: Pace,
    executor: Executor | None = None,
    pictures: Mapping[str, Picture] | None = None,
) -> Estimate:
    """The estimate of a plan; with an executor and the plan's pictures, what was made before is found."""
    walk = _Walk(info, pace, executor)
    walk.names.update(pictures or {})
    both = walk.steps(plan.steps, "steps")
    return Estimate(both.expected, both.worst, walk.memory, tuple(dict.fromkeys(walk.memoised)))


@dataclass(frozen=True)
class _Both:
    expected: Work = Work()
    worst: Work = Work()

    def __add__(self, other: _Both) -> _Both:
        return _Both(self.expected + other.expected, self.worst + other.worst)


@dataclass
class _Walk:
    """One walk; `names` holds the values that are known without running, and only those."""

    info: RuntimeInfo
    pace: Pace
    executor: Executor | None
    names: dict[str, Value] = field(default_factory=dict)
    memoised: list[str] = field(default_factory=list)
    memory: int = 0

    def steps(self, nodes: tuple[Node, ...], place: str) -> _Both:
        total = _Both()
        for index, node in enumerate(nodes):
            total += self._node(node, f"{place}.{index}")
        return total

    def _node(self, node: Node, place: str) -> _Both:
        if isinstance(node, Action):
            return self._action(node, place)
        if isinstance(node, Repeat):
            return self._repeat(node, place)
        if isinstance(node, Parallel):
            total = _Both()
            for number, line in enumerate(node.parallel):
                total += self.steps(line, f"{place}.parallel.{number}")
            return total
        if isinstance(node, Let):
            self._set(node.id, lambda: resolved(node.let, self.names))
        else:
            self._set(node.id, lambda: "yes" if holds(node.test, self.names) else "no")
        return _Both()

    def _action(self, node: Action, place: str) -> _Both:
        wanted = True if node.when is None else self._holds(node.when)
        if wanted is False:
            return _Both()
        found = self._found(node) if wanted else None
        if found is not None:
            self.names[node.id] = found
            self.memoised.append(place)
            work = Work(steps=1, seconds=_OTHER)
            return _Both(work, work)
        self.names.pop(node.id, None)
        work = self._work(node)
        return _Both(work if wanted else work.times(0.5), work)

    def _repeat(self, node: Repeat, place: str) -> _Both:
        """Rounds whose conditions are known are followed; half of the others are expected."""
        total = _Both()
        for done in range(node.most):
            goes_on = self._holds(node.as_long_as)
            if goes_on is False:
                return total
            if goes_on is None:
                self._forget(node)
                one, left = self.steps(node.repeat, f"{place}.repeat"), node.most - done
                self._forget(node)
                return total + _Both(one.expected.times((left + 1) / 2), one.worst.times(left))
            total += self.steps(node.repeat, f"{place}.repeat")
        return total

    def _forget(self, node: Repeat) -> None:
        """Nothing that a loop gives is known in the midst of it."""
        for name in _given(node.repeat):
            self.names.pop(name, None)

    def _holds(self, condition: Condition) -> bool | None:
        try:
            return holds(condition, self.names)
        except InputError:
            return None

    def _set(self, name: str, work: Callable[[], object]) -> None:
        self.names.pop(name, None)
        try:
            value = work()
        except InputError:
            return
        if isinstance(value, Result | Picture | str | int | float | bool | list | dict) or value is None:
            self.names[name] = value

    def _found(self, node: Action) -> Result | None:
        """The result of the call, if all that it takes is known and it was made before."""
        if self.executor is None or node.tool not in self.executor.toolbox:
            return None
        try:
            args = {name: resolved(value, self.names) for name, value in node.args.items()}
            seed = args.pop("seed", None)
            call = self.executor.prepare(node.tool, args, seed if isinstance(seed, int) else None)
            step = None if call.tool.stateful else self.executor.found(call)
            return None if step is None else self.executor.show(step.id)
        except SightlineError:  # it hangs on what is not known, or would fail: counted as if it ran
            return None

    def _work(self, node: Action) -> Work:
        """What a call takes; the largest is noted."""
        width, height = self.info.image_size
        tokens, channels = self.info.feature_shape
        if node.tool == "understand":
            self._note(width * height * 3 + tokens * channels * 4)
            return Work(steps=1, looks=1, seconds=self.pace.look + _OTHER)
        n = _count(node.args.get("n"), 1)
        size = node.args.get("size")
        pixels = _area(size) or width * height
        if node.tool not in _MODEL_STEPS:
            self._note(2 * pixels * 4)
            return Work(steps=1, seconds=_OTHER)
        denoising = _count(node.args.get("steps"), self.info.default_steps)
        decoding = self.info.default_decode_steps
        decoding = max(1, decoding // _DRAFT) if node.args.get("draft") is True else decoding
        self._note(n * (pixels * 3 + tokens * channels * 4) + width * height * 3 * (node.tool == "edit"))
        drawn = n * (self.pace.start + denoising * self.pace.step)
        painted = 1 if node.tool == "draw_best" else n
        looks = n * _length(node.args.get("checks"))
        seconds = drawn + painted * (self.pace.decode_start + decoding * self.pace.decode_step)
        return Work(
            1, looks, painted, n * denoising, painted * decoding, seconds + looks * self.pace.look + _OTHER
        )

    def _note(self, size: int) -> None:
        self.memory = max(self.memory, size)


def _length(value: object) -> int:
    return len(value) if isinstance(value, list) else 0


def _given(nodes: tuple[Node, ...]) -> list[str]:
    """The names that nodes give."""
    found: list[str] = []
    for node in nodes:
        if isinstance(node, Repeat):
            found += _given(node.repeat)
        elif isinstance(node, Parallel):
            found += [name for line in node.parallel for name in _given(line)]
        else:
            found.append(node.id)
    return found


def _count(value: object, otherwise: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else otherwise


def _area(size: object) -> int:
    if isinstance(size, list) and len(size) == 2 and all(isinstance(edge, int) for edge in size):
        return int(size[0]) * int(size[1])
    return 0
