"""From a recorded step to the result that its verb returned; nothing is computed."""

from __future__ import annotations

from typing import Any

from sightline.results import Answered, Cache, Drawn, Edited, Made, Result
from sightline.tree.pictures import Pictures
from sightline.tree.recipe import plain
from sightline.tree.steps import Step
from sightline_tools.locality import Locality


def result(pictures: Pictures, step: Step, cache: Cache) -> Result:
    """The typed result of a step."""
    values: dict[str, Any] = step.values()
    made = tuple(pictures.bound(pictures.reference(pixels), step.id) for pixels in step.images())
    common = (step, _usage(step), cache, tuple(values.get("warnings", ())), made)
    if step.status != "done":
        return Made(*common)
    if step.tool == "understand":
        return Answered(*common, values["text"], values["confidence"], values["probabilities"])
    if step.tool == "generate":
        return Drawn(*common, step.seeds, tuple(values["plans"]))
    if step.tool == "edit":
        before = pictures.bound(pictures.reference(values["before"]["$image"]))
        where = tuple(Locality.model_validate(told) for told in values.get("localities", ()))
        return Edited(*common, step.seeds, tuple(values["plans"]), before, values["changed"], where)
    return Made(*common, values)


def _usage(step: Step) -> dict[str, float]:
    amounts = plain(step.usage)
    return {name: float(str(amount)) for name, amount in amounts.items()} if isinstance(amounts, dict) else {}
