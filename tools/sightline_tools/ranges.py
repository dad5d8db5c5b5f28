"""Ranges that a reader of a tool's schema sees; the arguments' own checks enforce and explain them.

    n: Annotated[int, Range(1, 64)] = Field(default=1, description="how many pictures")

A bound declared to pydantic would be enforced there, in pydantic's words. Sightline's
checks say what is true and what to do, so this only shows what they allow.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import GetJsonSchemaHandler
from pydantic_core import CoreSchema


@dataclass(frozen=True)
class Range:
    """The smallest and the largest number that is allowed; None is no bound."""

    low: int | float | None
    high: int | float | None = None

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> Mapping[str, object]:
        """The schema of the number with its bounds."""
        bounds = {"minimum": self.low, "maximum": self.high}
        return dict(handler(core)) | {name: value for name, value in bounds.items() if value is not None}
