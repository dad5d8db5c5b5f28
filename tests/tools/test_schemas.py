"""The schemas that chatbots are shown, and the vendors' forms of tools."""

from typing import Annotated, Literal

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field, TypeAdapter

from sightline_tools import vendors
from sightline_tools.image import Image
from sightline_tools.ranges import Range
from sightline_tools.schemas import PICTURE, SHOWN, alternatives, input_schema, is_picture, output_schema
from sightline_tools.strict import allowed, anthropic_keeps, openai_keeps, strict
from sightline_tools.tool import Picture, ToolArgs, ToolResult
from sightline_tools.toolbox import default_toolbox

TOOLS = list(default_toolbox())
OPENAI = {
    *("type", "description", "enum", "const", "anyOf", "items", "properties", "required"),
    *("additionalProperties", "minimum", "maximum", "minItems", "maxItems", "pattern", "format"),
}
ANTHROPIC = OPENAI - {"minimum", "maximum", "maxItems", "pattern"}


def check_strict(schema, keywords):
    """Every rule of strict mode, at every depth."""
    assert schema.keys() <= keywords, schema.keys() - keywords
    kinds = [kind for kind in ("type", "anyOf", "enum", "const") if kind in schema]
    assert kinds
    if schema.get("type") == "object":
        assert schema["additionalProperties"] is False
        assert list(schema["properties"]) == schema["required"]
    for inner in [*schema.get("properties", {}).values(), *schema.get("anyOf", [])]:
        check_strict(inner, keywords)
    if schema.get("type") == "array":
        check_strict(schema["items"], keywords)


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_every_tool_is_strict_by_construction(tool):
    """Closed objects, all required, known keywords only, no anyOf at the root, for both vendors."""
    plain = input_schema(tool.args_model, seeded=tool.seeded)
    for keeps, keywords in ((openai_keeps, OPENAI), (anthropic_keeps, ANTHROPIC)):
        closed = strict(plain, keeps)
        assert closed["type"] == "object"
        check_strict(closed, keywords)
    for schema in (plain, output_schema(tool.result_model), strict(plain)):
        Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_pictures_are_names_among_arguments_and_objects_among_results(tool):
    """No schema of arguments asks for digests of files; every result shows name, digest, size and link."""
    takes = str(input_schema(tool.args_model))
    assert "blob" not in takes
    assert (PICTURE in takes) == (tool.name not in ("generate", "draw_best"))
    gives = output_schema(tool.result_model)["properties"]
    shown = [each.get("items", each) for name, each in gives.items() if name in ("image", "images", "before")]
    assert all(each["properties"] == SHOWN["properties"] for each in shown)


def test_the_range_of_a_number_is_in_the_schema_and_its_check_keeps_its_words():
    """What only a check knew is shown; the error is still the check's own."""
    edit = next(tool for tool in TOOLS if tool.name == "edit")
    fields = input_schema(edit.args_model, seeded=True)["properties"]
    assert (fields["n"]["minimum"], fields["n"]["maximum"], fields["n"]["default"]) == (1, 64, 1)
    assert fields["steps"]["anyOf"][0] == {"type": "integer", "minimum": 1, "maximum": 1000}
    assert fields["feather"]["anyOf"][0]["maximum"] == 512
    assert fields["size"]["anyOf"][0]["items"]["maximum"] == 4096
    assert list(fields)[:3] == ["image", "instruction", "seed"]
    assert "preview_every" not in fields
    generate = next(tool for tool in TOOLS if tool.name == "generate")
    with pytest.raises(ValueError, match="n is 65"):
        generate.args_model(prompt="a star", n=65)


class Dot(BaseModel):
    """A dot."""

    kind: Literal["dot"]
    at: tuple[int, float]


class Line(BaseModel):
    """A line."""

    kind: Literal["line"]
    title: str = Field(min_length=1, description="what it is called")


class Node(BaseModel):
    """Holds itself."""

    inner: "Node | None" = None


class OddArgs(ToolArgs):
    """Things that pydantic writes in its own way."""

    mark: Dot | Line = Field(discriminator="kind", description="what to draw")
    share: Annotated[float, Range(0, 1)] = 0.5
    title: str | None = None
    picture: Image | None = Field(default=None, description="the one below")


def test_unions_tuples_and_properties_called_title_are_written_plainly():
    """`oneOf` becomes `anyOf`, a tuple a list, titles of pydantic vanish but not the property."""
    plain = input_schema(OddArgs)
    dot, line = plain["properties"]["mark"]["anyOf"]
    assert dot["properties"]["at"]["items"] == {"anyOf": [{"type": "integer"}, {"type": "number"}]}
    assert line["properties"]["title"]["description"] == "what it is called"
    assert "title" in plain["properties"]
    assert is_picture(alternatives(plain["properties"]["picture"])[0])
    closed = strict(plain)
    check_strict(closed, OPENAI)
    assert closed["properties"]["share"]["description"] == "null: 0.5"
    title = closed["properties"]["mark"]["anyOf"][1]["properties"]["title"]
    assert title["description"] == "what it is called; at least 1 characters"


@pytest.mark.parametrize("kind", [dict[str, int], object, list, Node])
def test_what_cannot_be_listed_is_not_strict_and_says_so(kind):
    """Free dictionaries, anything, lists of anything, and models that hold themselves."""
    model = type("FreeArgs", (ToolArgs,), {"__annotations__": {"value": kind}, "__doc__": "Free."})
    plain = input_schema(model)
    assert strict(plain) is None

    class Offered:
        name, description, input_schema = "free", "Free.", plain

    assert vendors.openai_chat(Offered)["function"]["strict"] is False
    assert "strict" not in vendors.anthropic(Offered, strictly=True)


def test_what_a_vendor_does_not_enforce_is_told():
    """Anthropic's strict form holds no bounds: the description does."""
    plain = input_schema(next(tool for tool in TOOLS if tool.name == "grid").args_model)
    closed = strict(plain, anthropic_keeps)["properties"]
    assert closed["images"]["minItems"] == 1
    assert closed["padding"] == {
        "anyOf": [{"type": "integer"}, {"type": "null"}],
        "description": "pixels between pictures; at least 0; at most 1000; null: 4",
    }


def test_what_is_allowed_is_told_in_words():
    """For errors: the kind, the bounds, the choices."""
    fields = input_schema(next(tool for tool in TOOLS if tool.name == "resize").args_model)["properties"]
    assert allowed(fields["width"]) == "integer, at least 1, at most 40000000, or null"
    assert allowed(fields["resample"]) == 'one of "nearest", "bilinear", "bicubic", "lanczos"'
    assert allowed(fields["image"]) == "img3, sha256:… or last (the newest)"


def test_a_result_keeps_its_own_fields_beside_those_that_are_added():
    """Of one name, the model's own."""

    class Odd(ToolResult):
        """Odd."""

        step: int

    assert output_schema(Odd, step=SHOWN)["properties"]["step"] == {"type": "integer"}
    assert "step" in output_schema(Picture, step=SHOWN)["properties"]


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_the_vendors_own_types_take_the_forms(tool):
    """Chat Completions, Responses and Messages: what their libraries declare."""
    from anthropic.types import ToolParam
    from openai.types.chat import ChatCompletionFunctionToolParam
    from openai.types.responses import FunctionToolParam

    class Offered:
        name, description = tool.name, tool.description
        input_schema = globals()["input_schema"](tool.args_model, seeded=tool.seeded)

    for strictly in (True, False):
        chat = vendors.openai_chat(Offered, strictly=strictly)
        TypeAdapter(ChatCompletionFunctionToolParam).validate_python(chat, strict=True)
        flat = vendors.openai_responses(Offered, strictly=strictly)
        TypeAdapter(FunctionToolParam).validate_python(flat, strict=True)
        assert flat == {"type": "function", **chat["function"]}
        form = vendors.anthropic(Offered, strictly=strictly)
        TypeAdapter(ToolParam).validate_python(form)


def test_a_long_description_is_cut():
    """OpenAI refuses more than 1024 characters."""

    class Offered:
        name, description, input_schema = "long", "x" * 2000, {"type": "object", "properties": {}}

    assert len(vendors.openai_chat(Offered)["function"]["description"]) == 1024
