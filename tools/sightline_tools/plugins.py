"""Tools of other distributions: found by entry point, imported when first needed, checked then.

Whatever is wrong with one is a warning that names the distribution; a stranger's code
must not keep a session from opening.
"""

import operator
import re
import threading
import warnings
from collections.abc import Callable, Collection
from importlib.metadata import Distribution, EntryPoint, PackageNotFoundError, entry_points, version

from sightline_tools.tool import Tool

ENTRY_POINTS = "sightline.tools"
"""The group; each entry is called as its tool is, and names a `Tool`."""

_OURS = "sightline"
_NEEDS = re.compile(rf"{_OURS}(?![\w.-])(?:\[[^]]*\])?\s*\(?([^)]*)\)?", re.IGNORECASE)
_BOUND = re.compile(r"(~=|>=|<=|==|!=|>|<)\s*(\d+(?:\.\d+)*)(\.\*)?")
_COMPARED: dict[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}


class _UnfitError(Exception):
    """What an entry point names cannot be used, and why."""


class Plugin:
    """A tool of another distribution, not yet imported."""

    def __init__(self, entry: EntryPoint) -> None:
        self._entry, self._lock, self._tried = entry, threading.Lock(), False
        self._found: Tool | None = None

    @property
    def owner(self) -> str:
        """The distribution, with its version."""
        return _named(self._entry.dist)

    def tool(self) -> Tool | None:
        """The tool, imported at the first call; None, with one warning, if it does not work."""
        with self._lock:
            if not self._tried:
                self._tried = True
                self._found = self._loaded()
        return self._found

    def _loaded(self) -> Tool | None:
        try:
            return self._checked()
        except Exception as error:  # noqa: BLE001 - a stranger's import may raise anything
            why = str(error) if isinstance(error, _UnfitError) else f"{type(error).__name__}: {error}"
            told = f"tool {self._entry.name} of {self.owner} cannot be used: {why}"
            warnings.warn(told, stacklevel=4)
        return None

    def _checked(self) -> Tool:
        wanted = _unmet(self._entry.dist)
        if wanted:
            raise _UnfitError(f"it wants {_OURS} {wanted}, this is {version(_OURS)}")
        loaded = self._entry.load()
        if not isinstance(loaded, Tool):
            raise _UnfitError(f"{self._entry.value} is no tool, but {type(loaded).__name__}")
        if loaded.name != self._entry.name or not loaded.version:
            raise _UnfitError(f"the tool there is {loaded.name!r}, version {loaded.version!r}")
        return loaded


def installed(taken: Collection[str] = ()) -> dict[str, Plugin]:
    """Tools that other distributions offer, by name, none of them imported.

    Names that are `taken` already, or offered twice, are a warning: the first one stays.
    """
    found: dict[str, Plugin] = {}
    for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda entry: _named(entry.dist)):
        if entry.name in taken or entry.name in found:
            first = found[entry.name].owner if entry.name in found else _OURS
            told = f"tool {entry.name} of {_named(entry.dist)} is left out: {first} has one of that name"
            warnings.warn(told, stacklevel=3)
        else:
            found[entry.name] = Plugin(entry)
    return found


def _named(owner: Distribution | None) -> str:
    return f"{owner.name} {owner.version}" if owner else "an unknown distribution"


def _unmet(owner: Distribution | None) -> str:
    """What a distribution wants of Sightline that this version is not; empty if it is content."""
    try:
        here = _release(version(_OURS))
    except PackageNotFoundError:  # run from its sources, it has no version to compare
        return ""
    for requirement in (owner.requires if owner else None) or ():
        name, _, marker = requirement.partition(";")
        bounds = _NEEDS.fullmatch(name.strip())
        if bounds and not marker and not all(_met(here, *found) for found in _BOUND.findall(bounds[1])):
            return bounds[1].strip()
    return ""


def _met(here: tuple[int, ...], sign: str, wanted: str, any_more: str) -> bool:
    there = _release(wanted)
    if any_more:  # ==1.* compares as far as it goes
        return _COMPARED[sign](here[: len(there)], there)
    size = max(len(here), len(there))
    here, whole = [(*release, *(0,) * (size - len(release))) for release in (here, there)]
    if sign == "~=":  # ~=1.2 is >=1.2, ==1.*
        return here >= whole and here[: len(there) - 1] == there[:-1]
    return _COMPARED[sign](here, whole)


def _release(text: str) -> tuple[int, ...]:
    found = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(int(part) for part in found[0].split(".")) if found else (0,)
