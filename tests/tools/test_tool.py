"""Tools and what they depend on."""

import numpy as np
import pytest

from sightline_tools.image import Image
from sightline_tools.tool import Picture, ToolArgs, ToolContext, ToolResult, images_in, tool
from sightline_tools.toolbox import default_toolbox


class FlipArgs(ToolArgs):
    """What to flip."""

    image: Image


@tool(version="1")
def flip(args: FlipArgs, ctx: ToolContext) -> Picture:
    """Flip a picture left to right."""
    return Picture(image=ctx.save(ctx.load(args.image)[:, ::-1].copy()))


def test_a_tool_takes_its_types_from_the_signature(shelf):
    """Name, description, models and purity come from the function."""
    assert (flip.name, flip.version, flip.pure) == ("flip", "1", True)
    assert flip.description == "Flip a picture left to right."
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    flipped = flip.run(FlipArgs(image=shelf.save(pixels)), shelf)
    assert np.array_equal(shelf.load(flipped.image), pixels[:, ::-1])


def test_a_wrong_signature_is_refused_at_decoration():
    """Untyped arguments, a foreign result or no docstring raise TypeError."""

    def untyped(args, ctx):
        """Do something."""

    def plain(args: FlipArgs, ctx: ToolContext) -> str:
        """Give text."""
        return ""

    def silent(args: FlipArgs, ctx: ToolContext) -> ToolResult:
        return ToolResult()

    for function in (untyped, plain, silent):
        with pytest.raises(TypeError):
            tool(version="1")(function)


def test_images_in_finds_pictures_anywhere(shelf):
    """Pictures are found in models, lists and mappings, in order."""
    a, b = (shelf.save(np.full((1, 1, 3), value, np.uint8)) for value in (1, 2))
    assert images_in([FlipArgs(image=a), {"x": (b,)}]) == [a, b]


def test_every_builtin_tool_has_a_schema_and_a_description():
    """What a chatbot reads is there: a docstring and a description for each argument."""
    for each in default_toolbox():
        assert each.description.endswith(".")
        properties = each.schema()["properties"]
        assert all(
            "description" in field or "$ref" in str(field) or "enum" in field for field in properties.values()
        )


def test_a_tool_says_what_it_depends_on():
    """Neither a tool that uses the model nor one that is stateful is pure."""

    def made(**options):
        def look(args: FlipArgs, ctx: ToolContext) -> ToolResult:
            """Look."""
            return ToolResult()

        return tool(version="1", **options)(look)

    kinds = [made(), made(runtime=True), made(stateful=True), made(runtime=True, stateful=True)]
    assert [each.pure for each in kinds] == [True, False, False, False]
    assert [(each.uses_runtime, each.stateful) for each in kinds] == [
        (False, False),
        (True, False),
        (False, True),
        (True, True),
    ]
