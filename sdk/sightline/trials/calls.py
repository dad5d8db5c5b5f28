"""Tool calls under constraint: whatever is said to the model, what it writes is a call that can run.

Lines of dialogue, and as many lines of nonsense. A call counts if it parses, names a tool
of the toolset and pictures that are there, and its arguments pass the tool's own checks.
"""

from __future__ import annotations

from sightline.chat.dialect import dialect_of
from sightline.chat.turns import Offer, Turn
from sightline.errors import SightlineError
from sightline.session import Session
from sightline.toolset.offers import ready
from sightline.trials.trial import Step
from sightline_runtime.evaluation.scores import Json, Scores
from sightline_runtime.protocol import ImageSlot, Message, Runtime, TextRequest
from sightline_runtime.world import dialogue, language
from sightline_runtime.world.render import paint
from sightline_runtime.world.scenes import SceneSampler
from sightline_tools.call_patterns import call_pattern

_TOOLS = ("generate", "edit", "understand", "undo")
_SPOKEN = ("picture one", "picture two", "picture three")


def calls(runtime: Runtime, seed: int, n: int, step: Step) -> Json:
    """The share of valid calls on 2 n lines, with the constraint and without it."""
    world, kept = (
        SceneSampler(seed * 1_000_003 + 55, held_out=False),
        {"constrained": Scores(), "free": Scores()},
    )
    with Session(runtime=runtime, seed=seed) as session:
        for _ in _SPOKEN:
            session.add(paint(world.scene()))
        pattern = call_pattern(session.toolset(include=_TOOLS).tools, _SPOKEN, "words")
        for number in range(2 * n):
            kind = "dialogue" if number % 2 == 0 else "nonsense"
            line = dialogue.tool_call(world)[0] if kind == "dialogue" else _nonsense(world)
            for name, allowed in (("constrained", pattern), ("free", "")):
                kept[name].add(kind, _valid(session, runtime, line, allowed))
            step("calls", number + 1, 2 * n)
    return {name: tally.to_json() for name, tally in kept.items()}


def _valid(session: Session, runtime: Runtime, line: str, pattern: str) -> bool:
    """Whether what the model writes for a line is a call that the session would run."""
    messages = (Message("system", ("tools",)), Message("user", (line,)))
    text = runtime.generate_text(TextRequest(messages, pattern=pattern, max_tokens=96)).result().text
    toolset = session.toolset(include=_TOOLS)
    offers = [Offer(tool.name, tool.description, tool.input_schema) for tool in toolset.tools]
    shown = [Turn("user", (ImageSlot(at), f"img{at + 1}")) for at in range(len(_SPOKEN))]
    reply = dialect_of(runtime.info.family, runtime.info.capabilities).reply(
        text, offers, [*shown, Turn("user", (line,))]
    )
    named = {tool.name: tool for tool in toolset.tools}
    try:
        for call in reply.calls:
            ready(session._executor, named[call.name], call.arguments)
    except (SightlineError, KeyError):
        return False
    return len(reply.calls) == 1


def _nonsense(world: SceneSampler) -> str:
    """Words of the vocabulary in any order."""
    words = language.vocabulary()
    return " ".join(world.choice(words) for _ in range(1 + int(world.rng.integers(8))))
