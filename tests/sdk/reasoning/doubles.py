"""Doubles for chains of reasoning: a model of any behaviour, and a text model that plays a script."""

import json
from dataclasses import replace

from sightline.planner.chat_form import Said, Wanted
from sightline_runtime.automaton import Automaton
from sightline_runtime.protocol import Job, TextDelta, TextResult, Usage
from sightline_runtime.testing import FakeRuntime
from sightline_runtime.world.render import paint
from sightline_runtime.world.scenes import SceneSampler


class Whim(FakeRuntime):
    """Says and draws whatever it is given, in turn, however little sense it makes."""

    def __init__(self, answers, pictures):
        super().__init__()
        self._answers, self._pictures, self._said, self._drew = answers, pictures, 0, 0

    def generate_text(self, request):
        """The next answer; of choices, each has the next probability."""
        self.calls.append("generate_text")
        text, share = self._next()
        shares = {choice: self._next()[1] for choice in request.choices}
        text = max(shares, key=shares.get) if shares else text
        job = Job()
        job.emit(TextDelta(text))
        job.finish(TextResult(text, share, shares, usage=Usage(3, 1, 64, 0, 0.0)))
        return job

    def _next(self):
        self._said += 1
        return self._answers[self._said % len(self._answers)]

    def _draw(self, text, source, seed):
        self._drew += 1
        wish = self._pictures[self._drew % len(self._pictures)]
        return source if wish is None and source is not None else paint(_scene(wish or 0))


def _scene(number):
    return SceneSampler(number, held_out=False).scene(1, 3)


class Speaker:
    """A text model elsewhere: says what the script says, the last line again and again."""

    def __init__(self, *script):
        self.script, self.heard = script, []

    def chat(self, messages, tools=()):
        """The next line: a text, a plan as data, or calls as (name, arguments) pairs."""
        self.heard.append(list(messages))
        line = self.script[min(len(self.heard), len(self.script)) - 1]
        if isinstance(line, list):
            calls = tuple(Wanted(f"c{i}", name, json.dumps(args)) for i, (name, args) in enumerate(line))
            return Said("", calls, "tool_calls", 5, 2)
        return Said(line if isinstance(line, str) else json.dumps(line), (), "stop", 5, 2)


class Held(FakeRuntime):
    """A runtime of a released family that keeps to patterns: plays a script, and notes what it was asked."""

    def __init__(self, *script):
        super().__init__()
        self.script, self.requests = list(script), []

    @property
    def info(self):
        """The rule-based runtime's, of another family."""
        return replace(super().info, family="blip3o")

    def generate_text(self, request):
        """The next line of the script where a form is asked for, else the truth."""
        if request.choices or not request.pattern:
            return super().generate_text(request)
        self.requests.append(request)
        line = self.script.pop(0)
        assert Automaton(request.pattern).matches(line), (line, request.pattern[:400])
        job = Job()
        job.finish(TextResult(line, 0.5))
        return job
