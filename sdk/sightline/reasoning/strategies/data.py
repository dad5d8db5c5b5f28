"""Strategies as data: the name of each and its values, those inside it likewise.

{"is": "BestOf", "n": 2, "strategy": {"is": "Refine", "max_rounds": 1, …}, …}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import cast

from sightline.errors import InputError
from sightline.reasoning.brains import Elsewhere, Own
from sightline.reasoning.planners import Rules, Written
from sightline.reasoning.strategies.beam import Beam
from sightline.reasoning.strategies.best_of import BestOf
from sightline.reasoning.strategies.direct import Direct
from sightline.reasoning.strategies.plan_execute import PlanExecute
from sightline.reasoning.strategies.react import ReAct
from sightline.reasoning.strategies.refine import Refine
from sightline.reasoning.strategies.self_consistency import SelfConsistency
from sightline.reasoning.strategies.strategy import Strategy

_STRATEGIES = (Direct, Refine, BestOf, Beam, PlanExecute, ReAct, SelfConsistency)
_PARTS = {kind.__name__: kind for kind in (*_STRATEGIES, Rules, Written, Own, Elsewhere)}
_DEEPEST = 16


def strategy_data(strategy: object) -> dict[str, object]:
    """A strategy as plain data: `is` names it, its values and the strategies inside it follow.

    A client of a model elsewhere is told by the model's name alone: it is no data.
    """
    if not is_dataclass(strategy):
        return _named(strategy)
    known = _PARTS.get(type(strategy).__name__) is type(strategy)
    told = {each.name: _plain(getattr(strategy, each.name)) for each in fields(strategy)}
    return {"is": type(strategy).__name__} | told if known else _named(strategy) | told


def strategy_of(data: Mapping[str, object]) -> Strategy:
    """The strategy that data tells of; InputError for one that is not the product's, or needs a client."""
    made = _read(data, "strategy", 0)
    if not isinstance(made, _STRATEGIES):
        raise InputError(f"{data.get('is')!r} is no strategy", hint=_hint())
    return cast(Strategy, made)


def _named(thing: object) -> dict[str, object]:
    told: dict[str, object] = {"is": f"{type(thing).__module__}.{type(thing).__qualname__}"}
    model = getattr(thing, "model", None)
    return told | ({"model": model} if isinstance(model, str) else {})


def _plain(value: object) -> object:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return [_plain(each) for each in value] if isinstance(value, tuple | list) else strategy_data(value)


def _read(value: object, place: str, depth: int) -> object:
    if isinstance(value, list | tuple):
        return tuple(_read(each, place, depth) for each in value)
    if not isinstance(value, Mapping):
        return value
    name = value.get("is")
    kind = _PARTS.get(name) if isinstance(name, str) else None
    if kind is None or depth > _DEEPEST:
        raise InputError(f"{place} is {str(name)[:80]!r}, which data alone cannot make", hint=_hint())
    names = [each.name for each in fields(kind)]
    own = {str(key): each for key, each in value.items() if key != "is"}
    unknown = [key for key in own if key not in names]
    if unknown:
        raise InputError(f"{name} has no {unknown[0]!r}", hint=f"it has {', '.join(names) or 'no values'}")
    read = {key: _read(each, f"{place}.{key}", depth + 1) for key, each in own.items()}
    for each in fields(kind):
        if each.name in read and not _fits(str(each.type), read[each.name]):
            raise InputError(f"{place}.{each.name} is {read[each.name]!r}", hint=f"it is of type {each.type}")
    return cast(Callable[..., object], kind)(**read)


def _fits(wanted: str, value: object) -> bool:
    """Whether a value is of the type that a field says, as far as plain values go."""
    if wanted == "float":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if wanted == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    if wanted == "tuple[str, ...]":
        return isinstance(value, tuple) and all(isinstance(each, str) for each in value)
    plain: Mapping[str, tuple[type, ...]] = {"bool": (bool,), "str | None": (str, type(None))}
    kinds = plain.get(wanted)
    return isinstance(value, kinds) if kinds else not isinstance(value, bool | int | float | str | tuple)


def _hint() -> str:
    return f"the strategies are {', '.join(kind.__name__ for kind in _STRATEGIES)}; else give the object"
