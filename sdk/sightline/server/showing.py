"""Showing: steps, pictures and sessions in the forms of the API. Nothing is computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import cast

from pydantic import BaseModel, JsonValue

from sightline.results import Picture, Result
from sightline.server.placing import executor_of
from sightline.server.session_forms import (
    Answer,
    CacheInfo,
    Counts,
    HeadInfo,
    ImageInfo,
    NodeInfo,
    SessionInfo,
    StepInfo,
    ToolInfo,
    TreeInfo,
)
from sightline.session import Session
from sightline.tree.execute import Executor
from sightline.tree.outline import Outline
from sightline.tree.recipe import plain
from sightline.tree.steps import Step
from sightline_tools.schemas import input_schema
from sightline_tools.tool import Tool

_PICTURES = {"image", "images", "usage"}
"""Outputs that have a place of their own."""


def image_info(picture: Picture) -> ImageInfo:
    """A picture."""
    ref = picture.ref
    return ImageInfo(
        alias=picture.alias,
        digest=f"sha256:{ref.pixels}",
        width=ref.width,
        height=ref.height,
        media_type=ref.media_type,
        url=f"/v1/artifacts/{ref.pixels}",
    )


def step_info(executor: Executor, step: Step) -> StepInfo:
    """A step, with its pictures by name."""
    pictures = executor.pictures
    made = [pictures.bound(pictures.reference(pixels), step.id) for pixels in step.images()]
    values = {name: value for name, value in step.outputs.items() if name not in _PICTURES}
    usage = cast(Mapping[str, object], plain(step.usage))
    return StepInfo(
        id=step.id,
        tool=step.tool,
        version=step.version,
        status=step.status,
        arguments=_named(step.args),
        seeds=[str(seed) for seed in step.seeds],
        images=[image_info(picture) for picture in made],
        values=_named(values),
        error=None if step.error is None else _named(step.error),
        usage={name: float(str(amount)) for name, amount in usage.items()},
        parent=step.parent,
        data_parents=list(step.data_parents),
        fingerprint=step.fingerprint,
        recipe=step.recipe,
        started=step.started,
        ended=step.ended,
    )


def answer(view: Session, result: Result) -> Answer:
    """What a call on a placed session gave."""
    executor = executor_of(view)
    return Answer(
        session=view.name,
        branch=executor.refs.head()[0],
        cache=CacheInfo(status=result.cache.status, why=result.cache.why),
        step=step_info(executor, result.step),
    )


def session_info(session: Session) -> SessionInfo:
    """A session."""
    executor = executor_of(session)
    database = executor.store.database
    return SessionInfo(
        name=session.name,
        seed=str(executor.seed),
        head=_head(session.head),
        branches=dict(session.branches),
        tags=dict(session.tags),
        counts=Counts(steps=database.count_steps(), images=database.count_aliases()),
    )


def tree_info(outline: Outline) -> TreeInfo:
    """A tree."""
    nodes = [
        NodeInfo(
            id=node.id,
            tool=node.tool,
            summary=node.summary,
            parent=node.parent,
            data_parents=list(node.data_parents),
            images=[image_info(picture) for picture in node.pictures],
            branches=list(node.branches),
            tags=list(node.tags),
        )
        for node in outline.nodes
    ]
    return TreeInfo(
        head=_head(outline.head),
        branches=dict(outline.branches),
        tags=dict(outline.tags),
        nodes=nodes,
        text=str(outline),
    )


def steps_info(executor: Executor, steps: Iterable[Step]) -> list[StepInfo]:
    """Several steps."""
    return [step_info(executor, step) for step in steps]


def tool_info(tool: Tool) -> ToolInfo:
    """A tool, with its arguments as a client gives them."""
    return ToolInfo(
        name=tool.name,
        version=tool.version,
        description=tool.description,
        uses_model=tool.uses_runtime,
        takes_seed=tool.seeded,
        arguments=_schema(tool.args_model),
    )


@lru_cache(maxsize=1024)
def _schema(args: type[BaseModel]) -> dict[str, JsonValue]:
    """The schema of a tool's arguments; making one takes longer than answering a request."""
    return cast(dict[str, JsonValue], input_schema(args))


def _head(head: tuple[str, str | None]) -> HeadInfo:
    return HeadInfo(branch=head[0], step=head[1])


def _named(values: Mapping[str, object]) -> dict[str, JsonValue]:
    return {name: _shown(value) for name, value in values.items()}


def _shown(value: object) -> JsonValue:
    """Recorded data as JSON: pictures by their digests, floats as floats."""
    if isinstance(value, Mapping):
        if set(value) == {"$image"}:
            return f"sha256:{value['$image']}"
        if set(value) == {"$float"}:
            return float(str(value["$float"]))
        return _named(value)
    return [_shown(item) for item in value] if isinstance(value, list | tuple) else cast(JsonValue, value)
