"""YAML and JSON in, YAML out, as plain data: no tags, no aliases, and yes means the word yes."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from sightline.errors import InputError

if TYPE_CHECKING:
    import yaml

_LARGEST = 1_000_000


def parsed(text: str) -> object:
    """Data from YAML, of which JSON is a part; InputError for what is neither, too large, or has aliases.

    Aliases can grow without bound, so they are refused. As in YAML 1.2, only true and
    false are booleans, and a date is a text.
    """
    import yaml

    if len(text) > _LARGEST:
        raise InputError(f"the plan has {len(text):,} characters", hint=f"at most {_LARGEST:,}")
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
            raise InputError("the plan has YAML aliases", hint="write each part out")
        return yaml.load(text, _loader())
    except (yaml.YAMLError, RecursionError) as error:
        first = str(error).splitlines()[0]
        raise InputError(f"the plan is neither JSON nor YAML: {first}", hint="see Plan") from error


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
