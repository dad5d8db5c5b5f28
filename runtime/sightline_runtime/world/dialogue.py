"""Lines of dialogue and the tool calls they ask for: 'edit ( make the star red )'.

The language of tool calls: a tool's name and its text in parentheses, or `undo ( )`.
Politeness and wishes ("please draw …") stay outside of the call.
"""

from sightline_runtime.world import language, phrasing
from sightline_runtime.world.language import EDIT_KINDS, QUESTION_TYPES
from sightline_runtime.world.scenes import SceneSampler

_UNDOS = ("undo", "undo that", "go back", "please undo that", "take that back", "go back one step")


def tool_call(world: SceneSampler, *, loose: float = 0.4) -> tuple[str, str]:
    """A line and its call; `loose` is the share of lines in the wider language."""
    kind, wide = world.rng.random(), world.maybe(loose)
    if kind < 0.35:
        text = _drawable(world, wide)
        return world.choice(phrasing.WISHES[:-1]).format(text), f"generate ( {text} )"
    if kind < 0.65:
        change = phrasing.instruction_on(world, world.scene()) if wide else None
        text = (change or language.edit(world, world.choice(EDIT_KINDS))).instruction
        return phrasing.politely(world, text), f"edit ( {text} )"
    if kind < 0.9:
        scene = world.scene()
        asked = None if wide else language.question(world, scene, world.choice(QUESTION_TYPES))
        text = (asked or phrasing.question(world, scene)).text
        return text, f"understand ( {text} )"
    return world.choice(_UNDOS), "undo ( )"


def _drawable(world: SceneSampler, wide: bool) -> str:
    return phrasing.plain_prompt(world)[0] if wide else language.any_prompt(world)[0]
