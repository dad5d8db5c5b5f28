"""Goals and outcomes: what is wanted, and what came of it, with the evidence."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

from sightline.errors import InputError
from sightline.reasoning import phrases, telling
from sightline.reasoning.desk import Stop, Thought
from sightline.reasoning.verify import Verdict
from sightline.results import Picture
from sightline.toolset.budgets import Spent

_QUESTION = re.compile(
    r"^(what|which|who|where|when|why|how|is|are|was|were|would|could|will|do|does|did|can|if|after|suppose)\b"
)
_REQUEST = re.compile(r"^(can|could|would|will) you\b")


@dataclass(frozen=True)
class Goal:
    """What is wanted: an answer about pictures, a changed picture, or a new one."""

    text: str
    pictures: tuple[Picture, ...] = ()
    choices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.text, str) or not self.text.strip():
            raise InputError("the goal is empty", hint="say what you want")

    @property
    def kind(self) -> Literal["draw", "edit", "answer"]:
        """A question wants an answer; else pictures are to be changed, and without any one is drawn."""
        text = phrases.plain(self.text)
        asked = self.text.strip().endswith("?") or bool(_QUESTION.match(text))
        if self.choices or (asked and not _REQUEST.match(text)):
            return "answer"
        return "edit" if self.pictures else "draw"

    @property
    def source(self) -> Picture:
        """The picture that it is about: the last one."""
        if not self.pictures:
            raise InputError(f"{self.text!r} is about a picture", hint="give one with images=")
        return self.pictures[-1]


@dataclass(frozen=True)
class Outcome:
    """What came of a goal.

    `answer` or `image`, or both; `confidence` 0 … 1; `verdict` if it was checked;
    `thoughts` is the chain in order, its pictures among it; `branch` holds every step that
    was taken, `steps` their ids; `stopped` says whether it was done or what ran out.
    `strategy` is what pursued it, as data: give it to `solve` to pursue the same again;
    `plan` is the plan that led here, if there was one, as data that `Plan.read` takes.
    """

    goal: str
    answer: str | None
    image: Picture | None
    confidence: float
    verdict: Verdict | None
    thoughts: tuple[Thought, ...]
    branch: str
    steps: tuple[str, ...]
    spent: Spent
    stopped: Stop
    why: str
    strategy: Mapping[str, object] = field(default_factory=dict)
    plan: Mapping[str, object] | None = None

    def to_json(self) -> dict[str, object]:
        """The outcome as plain data, pictures by the digest of their pixels."""
        return {
            "goal": self.goal,
            "answer": self.answer,
            "image": _digest(self.image),
            "confidence": self.confidence,
            "passed": None if self.verdict is None else self.verdict.passed,
            "thoughts": [
                {"text": each.text, "step": each.step, "image": _digest(each.picture)}
                for each in self.thoughts
            ],
            "branch": self.branch,
            "steps": list(self.steps),
            "spent": asdict(self.spent),
            "stopped": self.stopped,
            "why": self.why,
            "strategy": dict(self.strategy),
            "plan": None if self.plan is None else dict(self.plan),
        }

    @property
    def evidence(self) -> Sequence[Picture]:
        """The pictures of the chain."""
        return [thought.picture for thought in self.thoughts if thought.picture is not None]

    def __str__(self) -> str:
        return telling.text(self.goal, self.thoughts, self._found, self.stopped, self.why)

    def _repr_html_(self) -> str:
        return telling.html(self.goal, self.thoughts, self._found, self.image, self.stopped, self.why)

    @property
    def _found(self) -> str:
        return f"{telling.named(self.answer, self.image)} (p={self.confidence:.2f}, {self.stopped})"


def _digest(picture: Picture | None) -> str | None:
    return None if picture is None else f"sha256:{picture.ref.pixels}"
