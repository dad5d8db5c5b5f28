"""Offers: the tools of a toolset as they are shown, and how a call of one is made ready."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice

from pydantic import BaseModel, ValidationError

from sightline.errors import InputError, NotFoundError, SightlineError
from sightline.results import Picture, Result
from sightline.toolset.budgets import Spent
from sightline.toolset.faults import RefusedError, at
from sightline.toolset.naming import MOST_PICTURES, existing, filled, is_last, named, near, pictures_in
from sightline.toolset.outcomes import MOST_PROBLEMS, Fault, Problem
from sightline.toolset.placing import computed, failed
from sightline.toolset.telling import STEP
from sightline.toolset.verbs import VERBS, Told, Verb
from sightline.tree import arguments
from sightline.tree.execute import Executor
from sightline.tree.plans import is_seeded
from sightline_tools.schemas import input_schema, output_schema
from sightline_tools.strict import allowed
from sightline_tools.tool import Picture as OnePicture
from sightline_tools.tool import Tool, images_in
from sightline_tools.toolbox import Toolbox

_ANSWER = 128
"""Tokens that a call may write if it does not say how many."""


@dataclass(frozen=True)
class Offer:
    """A tool as it is shown to a chatbot.

    `input_schema` and `output_schema` are JSON schemas. A `read_only` tool adds at most a
    step that follows from its arguments; an `idempotent` one gives the same when it is
    called again. `source` is the tool of the toolbox or the verb of the session behind it.
    """

    name: str
    description: str
    input_schema: Mapping[str, object]
    output_schema: Mapping[str, object]
    read_only: bool
    idempotent: bool
    source: Tool | Verb


@dataclass(frozen=True)
class Ready:
    """A call that was checked: what it may take, the work, and what is done if that fails.

    `work` gives what ends the call: puts its step on the branch and tells its result.
    """

    need: Spent
    work: Callable[[], Callable[[], Result | Told]]
    fail: Callable[[SightlineError], Result | Told]


def offers(toolbox: Toolbox) -> Iterator[Offer]:
    """All that a session can offer; the session's verbs keep their names."""
    taken = {verb.name for verb in VERBS}
    yield from (_of_tool(tool) for tool in toolbox if tool.name not in taken)
    yield from (_of_verb(verb) for verb in VERBS)


def ready(executor: Executor, offer: Offer, args: Mapping[str, object]) -> Ready:
    """Check a call; RefusedError or an error of the tree says what is wrong. Nothing is computed."""
    _check_names(offer, args)
    given = _with_pictures(executor, offer, args)
    if isinstance(offer.source, Verb):
        return _ready_verb(executor, offer.source, given)
    return _ready_tool(executor, offer.source, given)


def names_known(executor: Executor, offer: Offer, args: Mapping[str, object]) -> bool:
    """Whether all pictures of a call can be told now, whatever other calls make."""
    for _, name in islice(pictures_in(dict(args), offer.input_schema), MOST_PICTURES):
        if not isinstance(name, str) or is_last(name):
            return False
        try:
            named(executor, name)
        except SightlineError:
            return False
    return True


def pinned(executor: Executor, offer: Offer, args: Mapping[str, object]) -> object:
    """The arguments of a call that is done later: the picture that is `last` now by its digest."""
    found: dict[str, object] = {}
    for place, name in islice(pictures_in(dict(args), offer.input_schema), MOST_PICTURES):
        if is_last(name):
            with suppress(SightlineError):  # there is none yet
                found[place] = f"sha256:{named(executor, name).ref.pixels}"
    return filled(dict(args), offer.input_schema, found)


@lru_cache(maxsize=256)  # a schema takes a millisecond, and a tool never changes
def _of_tool(tool: Tool) -> Offer:
    return Offer(
        tool.name,
        tool.description,
        input_schema(tool.args_model, seeded=is_seeded(tool)),
        output_schema(tool.result_model, step=STEP),
        read_only=not tool.seeded and not tool.stateful,
        idempotent=not tool.stateful,
        source=tool,
    )


@lru_cache(maxsize=256)
def _of_verb(verb: Verb) -> Offer:
    return Offer(
        verb.name,
        verb.description,
        input_schema(verb.args_model),
        output_schema(verb.result_model),
        read_only=verb.read_only,
        idempotent=verb.idempotent,
        source=verb,
    )


def _check_names(offer: Offer, args: Mapping[str, object]) -> None:
    known = offer.input_schema.get("properties")
    names = list(known) if isinstance(known, Mapping) else []
    unknown = [name for name in args if name not in names]
    if unknown:
        unknown = unknown[:MOST_PROBLEMS]
        problems = tuple(Problem(name[:80], "there is no such argument") for name in unknown)
        alike = tuple(dict.fromkeys(found for name in unknown for found in near(name, tuple(names))))
        hint = f"{offer.name} takes {', '.join(names) or 'no arguments'}"
        message = f"the arguments of {offer.name} are wrong"
        raise RefusedError(Fault("bad_input", message, hint, problems=problems, near=alike))


def _with_pictures(executor: Executor, offer: Offer, args: Mapping[str, object]) -> Mapping[str, object]:
    """The arguments with pictures for their names."""
    found: dict[str, Picture] = {}
    wrong: dict[str, InputError] = {}
    places = list(islice(pictures_in(dict(args), offer.input_schema), MOST_PICTURES + 1))
    if len(places) > MOST_PICTURES:
        message = f"{offer.name} was given more than {MOST_PICTURES} pictures"
        raise RefusedError(Fault("bad_input", message, "name fewer at a time"))
    for place, name in places:
        try:
            found[place] = named(executor, name)
        except InputError as error:
            wrong[place] = error
    if wrong:
        raise RefusedError(_unknown(executor, offer, wrong))
    bound = _bound_fields(offer.source)
    put = {place: each if place.split(".")[0] in bound else each.ref for place, each in found.items()}
    whole = filled(dict(args), offer.input_schema, put)
    return whole if isinstance(whole, Mapping) else {}


def _unknown(executor: Executor, offer: Offer, wrong: Mapping[str, InputError]) -> Fault:
    there = existing(executor)
    absent = any(isinstance(error, NotFoundError) for error in wrong.values())
    hint = "name one of these pictures" if there else "the session has no picture yet: generate one first"
    message = f"the arguments of {offer.name} name no picture of this session"
    problems = tuple(
        Problem(place, error.message, _allowed_at(offer, place))
        for place, error in islice(wrong.items(), MOST_PROBLEMS)
    )
    code = "not_found" if absent else "bad_input"
    return Fault(code, message, hint, problems=problems, pictures=there)


def _allowed_at(offer: Offer, place: str) -> str:
    path = tuple(int(part) if part.isdigit() else part for part in place.split("."))
    return allowed(at(offer.input_schema, path))


def _bound_fields(source: Tool | Verb) -> set[str]:
    """The arguments whose pictures the session binds itself, and so traces to the step that made them."""
    if isinstance(source, Verb):
        return set()
    model = source.args_model
    return arguments.image_fields(model).keys() | arguments.region_fields(model)


def _ready_verb(executor: Executor, verb: Verb, args: Mapping[str, object]) -> Ready:
    try:
        model = verb.args_model.model_validate(dict(args))
    except ValidationError as error:
        raise InputError(f"the arguments of {verb.name} are wrong") from error
    images = 1 if verb.name == "promote" else 0
    return Ready(Spent(steps=1, images=images), partial(_verb_done, executor, verb, model), _raised)


def _verb_done(executor: Executor, verb: Verb, model: BaseModel) -> Callable[[], Result | Told]:
    done = verb.run(executor, model)
    return lambda: done


def _raised(error: SightlineError) -> Result | Told:
    raise error


def _ready_tool(executor: Executor, tool: Tool, args: Mapping[str, object]) -> Ready:
    own = dict(args)
    seed = _seed(own.pop("seed", None)) if is_seeded(tool) else None
    call = executor.prepare(tool.name, own, seed)
    need = needed(executor, tool, call.args)
    return Ready(need, partial(computed, executor, call), partial(failed, executor, call))


def _seed(value: object) -> int | None:
    """A seed that was given as digits, or as a number."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        return int(value)
    if value is None or isinstance(value, int):
        return value
    raise InputError(f"seed is {str(value)[:40]!r}", hint="give decimal digits, or leave it out")


def needed(executor: Executor, tool: Tool, model: BaseModel) -> Spent:
    """What a call may take: a token is at least a byte of text, so bytes bound what is read."""
    makes = int(getattr(model, "n", 1)) if tool.seeded else int(issubclass(tool.result_model, OnePicture))
    if not tool.uses_runtime:
        return Spent(steps=1, images=makes)
    texts = [value for value in model.model_dump().values() if isinstance(value, str)]
    seen = len(images_in(model)) * executor.runtime.info.feature_shape[0]
    written = int(getattr(model, "max_tokens", _ANSWER)) * max(makes, 1)
    tokens = sum(len(text.encode()) for text in texts) + seen + written
    return Spent(steps=1, images=makes, tokens=tokens)
