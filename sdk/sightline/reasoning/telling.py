"""How a chain is told: its goal, its thoughts in order, what was found, and why it stopped early."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from sightline.reasoning.desk import Stop, Thought
from sightline.results import Picture, data_uri, shown_png


def text(goal: str, thoughts: Sequence[Thought], found: str, stopped: Stop, why: str) -> str:
    """A chain as lines of text."""
    chain = [f"  {number}. {thought}" for number, thought in enumerate(thoughts, 1)]
    return "\n".join([goal, *chain, f"  → {found}{_ended(stopped, why)}"])


def html(
    goal: str, thoughts: Sequence[Thought], found: str, image: Picture | None, stopped: Stop, why: str
) -> str:
    """A chain as HTML, with its pictures."""
    rows = "".join(f"<li>{escape(str(thought))}{_shown(thought.picture)}</li>" for thought in thoughts)
    return f"<b>{escape(goal)}</b><ol>{rows}</ol>→ {escape(found + _ended(stopped, why))}{_shown(image)}"


def named(answer: str | None, image: Picture | None) -> str:
    """An answer, or the name of a picture, in the place of both."""
    return answer or (image.alias or "a picture" if image is not None else "nothing")


def _ended(stopped: Stop, why: str) -> str:
    return "" if stopped == "done" else f": {why}"


def _shown(picture: Picture | None) -> str:
    if picture is None:
        return ""
    return f'<br><img src="{data_uri(shown_png(picture.numpy(), 96))}" style="image-rendering:pixelated">'
