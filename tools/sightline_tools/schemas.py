"""What a chatbot is shown of a tool: plain JSON schemas of its arguments and of its result.

A chatbot names pictures; it never types digests of bytes as objects. So a picture among
arguments is a text (`img3`, `sha256:…`, `last`), and one among results an object with
name, digest, size and link. References are written out, tuples are lists of a fixed
length, and fields that change no result are left out. `strict` makes of this what
vendors enforce.
"""

from collections.abc import Mapping

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import core_schema

from sightline_tools.image import Image

Schema = dict[str, object]
"""A JSON schema."""

PICTURE = "^(img[1-9][0-9]{0,8}|sha256:[0-9a-f]{4,64}|last)$"
"""What names a picture; this pattern is also how picture arguments are told from other texts."""

NAMED: Schema = {"type": "string", "pattern": PICTURE, "description": "img3, sha256:… or last (the newest)"}
"""A picture among arguments."""

SHOWN: Schema = {
    "type": "object",
    "description": "a picture: its short name, the digest of its pixels, its size, and a link to it",
    "properties": {
        "alias": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "digest": {"type": "string"},
        "width": {"type": "integer"},
        "height": {"type": "integer"},
        "uri": {"type": "string"},
    },
    "required": ["alias", "digest", "width", "height", "uri"],
}
"""A picture among results."""

SEED: Schema = {
    "anyOf": [{"type": "string", "pattern": "^[0-9]{1,19}$"}, {"type": "null"}],
    "default": None,
    "description": "decimal digits; chosen for you if left out; results tell the seeds they were drawn with",
}
"""The seed of a tool that draws: a text, as seeds are larger than numbers that all JSON readers keep."""

_LEFT_OUT = {"title", "$defs", "discriminator", "examples"}


class _Arguments(GenerateJsonSchema):
    """Writes pictures as names, and nothing of fields that are kept out of recipes."""

    picture = NAMED

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """The schema of a model."""
        return dict(self.picture) if schema["cls"] is Image else super().model_schema(schema)

    def field_is_present(
        self,
        field: core_schema.ModelField
        | core_schema.TypedDictField
        | core_schema.DataclassField
        | core_schema.ComputedField,
    ) -> bool:
        """Whether a field is shown."""
        return field["type"] == "computed-field" or not field.get("serialization_exclude")


class _Results(_Arguments):
    """Writes pictures as objects."""

    picture = SHOWN


def input_schema(model: type[BaseModel], *, seeded: bool = False) -> Schema:
    """The schema of arguments as a chatbot gives them; `seeded` adds the seed of what is drawn."""
    schema = _written(model, _Arguments, "validation")
    found, required = schema.get("properties"), schema.get("required")
    properties = dict(found) if isinstance(found, Mapping) else {}
    first = {name: properties[name] for name in required} if isinstance(required, list) else {}
    more = {"seed": SEED} if seeded else {}
    return {**schema, "properties": {**first, **more, **properties}, "additionalProperties": False}


def output_schema(model: type[BaseModel], **more: Schema) -> Schema:
    """The schema of a result as a chatbot's program gets it; `more` are fields beside the model's own."""
    schema = _written(model, _Results, "serialization")
    own = schema.get("properties")
    return {**schema, "properties": {**more, **(own if isinstance(own, Mapping) else {})}}


def is_picture(schema: Mapping[str, object]) -> bool:
    """Whether a schema of arguments is that of a picture."""
    return schema.get("pattern") == PICTURE


def alternatives(schema: Mapping[str, object]) -> list[Schema]:
    """The schemas of which a value must fit one: those of an `anyOf`, or the schema itself."""
    found = schema.get("anyOf")
    return [dict(each) for each in found] if isinstance(found, list) else [dict(schema)]


def _written(model: type[BaseModel], writer: type[GenerateJsonSchema], mode: JsonSchemaMode) -> Schema:
    schema = model.model_json_schema(schema_generator=writer, mode=mode)
    return _plain(schema, schema.get("$defs", {}), ())


def _plain(node: Mapping[str, object], defs: Mapping[str, Schema], opened: tuple[str, ...]) -> Schema:
    """A schema without references; `opened` are the definitions it lies in."""
    reference = node.get("$ref")
    if isinstance(reference, str):
        name = reference.rsplit("/", 1)[-1]
        siblings = {key: value for key, value in node.items() if key != "$ref"}
        if name in opened:  # a model that holds itself has no end: it is shown as any object
            return {"type": "object", **siblings}
        return _merged(_plain(defs[name], defs, (*opened, name)), _plain(siblings, defs, opened))

    def inner(each: Mapping[str, object]) -> Schema:
        return _plain(each, defs, opened)

    kept = {key: value for key, value in node.items() if key not in _LEFT_OUT}
    if isinstance(kept.get("description"), str):
        kept["description"] = " ".join(str(kept["description"]).split())
    if "oneOf" in kept:
        kept["anyOf"] = kept.pop("oneOf")
    for key, value in list(kept.items()):
        if key == "properties" and isinstance(value, Mapping):
            kept[key] = {name: inner(each) for name, each in value.items()}
        elif key in ("anyOf", "allOf", "prefixItems") and isinstance(value, list):
            kept[key] = [inner(each) for each in value]
        elif key in ("items", "additionalProperties") and isinstance(value, Mapping):
            kept[key] = inner(value)
    return _listed(kept)


def _merged(target: Schema, siblings: Schema) -> Schema:
    """A definition with what stands beside the reference to it; a picture still says how it is named."""
    told = siblings.get("description")
    if told and target.get("pattern") == PICTURE:
        siblings = siblings | {"description": f"{told}: {target['description']}"}
    return {**target, **siblings}


def _listed(node: Schema) -> Schema:
    """Tuples as lists: of one kind of item, or of any of the kinds of its places."""
    places = node.pop("prefixItems", None)
    if not isinstance(places, list):
        return node
    kinds = [place for index, place in enumerate(places) if place not in places[:index]]
    return {**node, "items": kinds[0] if len(kinds) == 1 else {"anyOf": kinds}}
