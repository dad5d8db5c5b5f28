"""The streams of a session, with that of its dialogue."""

from __future__ import annotations

from functools import partial

from sightline.chat.talking import Options, Talk, listed
from sightline.results import Result
from sightline.streaming import Events, Stream, Tell
from sightline.tree.execute import Executor


class Streams(Stream):
    """Starts verbs, and turns of a dialogue, and gives their events."""

    def chat(self, message: str, images: object = (), *, preview_every: int = 4, **options: object) -> Events:
        """Say something: its calls, their progress, and its words; options are those of `Session.chat`."""
        given = Options.of({"preview_every": preview_every, **options})
        return Events(partial(_turn, self._executor, given, message, listed(images)))


def _turn(executor: Executor, options: Options, message: str, images: list[object], tell: Tell) -> Result:
    return Talk(executor, options, tell).turn(message, images)
