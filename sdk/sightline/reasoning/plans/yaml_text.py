"""YAML and JSON in, YAML out, as plain data: no tags, no aliases, and yes means the word yes."""

from __future__ import annotations

from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING

from sightline.errors import InputError

if TYPE_CHECKING:
    import yaml

_LARGEST = 1_000_000
_DEEPEST = 100
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}


def parsed(text: str) -> object:
    """Data from YAML, of which JSON is a part; InputError for what is neither, too large, or has aliases.

    Aliases can grow without bound, so they are refused. As in YAML 1.2, only true and
    false are booleans, and a date is a text.
    """
    import yaml

    if len(text) > _LARGEST:
        raise InputError(f"the plan has {len(text):,} characters", hint=f"at most {_LARGEST:,}")
    if _depth(text) > _DEEPEST:
        raise InputError("the plan is nested too deeply", hint="close what you opened")
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
            raise InputError("the plan has YAML aliases", hint="write each part out")
        return yaml.load(text, _loader())
    except (yaml.YAMLError, RecursionError) as error:
        raise InputError(f"the plan is neither JSON nor YAML: {_place(error)}", hint="see Plan") from error


def _depth(text: str) -> int:
    """How deep brackets are opened, wherever they stand: a reader's time grows with its third power."""
    return max(accumulate(_STEPS.get(char, 0) for char in text), default=0)


def _place(error: Exception) -> str:
    """What a reader of YAML says, and where."""
    problem, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
    if not problem or mark is None:
        return str(error).partition("\n")[0]
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}"


def written(data: object) -> str:
    """Data as YAML that `parsed` reads back."""
    import yaml

    return str(yaml.safe_dump(data, sort_keys=False, allow_unicode=True))


@cache
def _loader() -> type[yaml.SafeLoader]:
    import yaml

    kept = {"tag:yaml.org,2002:bool": "tTfF", "tag:yaml.org,2002:timestamp": ""}
    resolvers = {
        first: [(tag, pattern) for tag, pattern in known if first in kept.get(tag, first)]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    return type("Loader", (yaml.SafeLoader,), {"yaml_implicit_resolvers": resolvers})
