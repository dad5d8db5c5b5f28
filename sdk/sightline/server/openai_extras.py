"""Parameters that this server cannot honour: named in `warnings`, or refused where that would lie."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from sightline.errors import InputError

HARMLESS = frozenset(
    {"user", "safety_identifier", "metadata", "store", "service_tier", "prompt_cache_key"}
    | {"prompt_cache_retention", "moderation", "verbosity", "reasoning_effort"}
)
"""Parameters that ask for nothing that could be seen in an answer of this model."""
_DEFAULTS: Mapping[str, tuple[object, ...]] = {
    "top_p": (1, "1"),
    "style": ("vivid",),
    "quality": ("standard",),
    "modalities": (["text"],),
    "function_call": ("none",),
}
"""Values beside the usual ones that ask for nothing."""
_NOTHING: tuple[object, ...] = (None, False, 0, "", "auto", "false", "0", [], {})


class Lenient(BaseModel):
    """The base of OpenAI's forms: what is not known is kept, to be told or refused."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())


def unheeded(form: Lenient, refused: Mapping[str, str]) -> tuple[str, ...]:
    """A warning for each parameter that is not honoured; InputError for one of `refused` (name → hint)."""
    told = []
    for name, value in (form.model_extra or {}).items():
        if name in HARMLESS or value in _NOTHING or value in _DEFAULTS.get(name, ()):
            continue
        if name in refused:
            raise InputError(f"{name} is not possible with this model", hint=refused[name])
        told.append(f"{name[:40]!r} is not honoured by this model and was ignored")
    return tuple(told)
