"""Answers with a type: from a Python type to what a model is asked, and from its answer to a value.

    seen = s.understand(image, "how many stars are there ?", output=int)
    seen.value + 1

A type is what pydantic knows: `Literal`, an `Enum`, `bool`, `int`, `float`, `str`, with bounds
and patterns by `Annotated`, lists of these, and models, whose fields say in their
description what to ask. Its JSON schema enters the recipe, so the same question with the
same type is found again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from sightline.errors import EngineError, InputError
from sightline.results import Answered

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from typing_extensions import TypeForm

T = TypeVar("T")


@dataclass(frozen=True, repr=False, kw_only=True)
class Typed(Answered, Generic[T]):
    """An answer with a `value`, and how sure the model is of each part of it by its path (`""` is all).

    `text` is what the model wrote, `confidence` that of all parts together.
    """

    __hash__ = Answered.__hash__
    value: T
    confidences: Mapping[str, float]

    def _line(self) -> str:
        return f"{self.value!r} p={self.confidence:.2f}"


def schema_text(output: TypeForm[T]) -> str:
    """The JSON schema of a type, as a text; InputError for what has none."""
    from pydantic.errors import PydanticUserError

    try:
        schema = _adapter(output).json_schema(mode="serialization")
    except (PydanticUserError, TypeError) as error:
        raise InputError(
            f"{output!r} is no type of an answer: {str(error).splitlines()[0]}",
            hint="use Literal, Enum, bool, int, float, str, a list of these or a pydantic model",
        ) from error
    return json.dumps(schema, ensure_ascii=False, separators=(",", ":"))


def typed(answer: Answered, output: TypeForm[T]) -> Typed[T]:
    """The answer to a question that was asked with the schema of a type.

    EngineError if the type itself refuses what its schema allows.
    """
    from pydantic import ValidationError

    recorded = answer.step.values()
    try:
        value = _adapter(output).validate_json(str(recorded["data"]))
    except ValidationError as error:
        first = error.errors()[0]["msg"]
        raise EngineError(
            f"the answer {answer.text[:60]!r} is refused by its type: {first}",
            hint="say in the type's schema what it checks",
        ) from error
    shared = {name: getattr(answer, name) for name in Answered.__dataclass_fields__}
    return Typed(**shared, value=value, confidences=_shares(recorded["confidences"]))


def _shares(recorded: object) -> dict[str, float]:
    return {name: float(share) for name, share in cast(Mapping[str, float], recorded).items()}


def _adapter(output: TypeForm[T]) -> TypeAdapter[T]:
    from pydantic import TypeAdapter

    return TypeAdapter(output)
