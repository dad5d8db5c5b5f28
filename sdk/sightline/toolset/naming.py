"""Pictures as chatbots name them, and as they are told of them: never as files, never as bytes."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote

from sightline.errors import InputError, NotFoundError
from sightline.results import Picture
from sightline.tree.execute import Executor
from sightline.tree.line import walk
from sightline.tree.naming import alias_of
from sightline.tree.steps import Step
from sightline_tools.image import Image
from sightline_tools.schemas import alternatives, is_picture

LAST = "last"
MOST_PICTURES = 256
"""Pictures that one call may name; each is looked up."""
_NAME = re.compile(r"img[1-9][0-9]{0,8}|sha256:[0-9a-f]{4,64}")
_LINK = re.compile(r"sightline://[^/]*/images/([0-9a-f]{64})")
_LISTED = 30
"""Names of pictures that an error lists: the newest."""


def link(session: str, image: Image) -> str:
    """The address of a picture: sightline://session/images/digest."""
    return f"sightline://{quote(session, safe='')}/images/{image.pixels}"


def reference(executor: Executor, image: Image) -> dict[str, object]:
    """A picture by reference: short name, digest of its pixels, size and link."""
    return {
        "alias": alias_of(executor.store.database.alias(image.pixels)),
        "digest": f"sha256:{image.pixels}",
        "width": image.width,
        "height": image.height,
        "uri": link(executor.store.session, image),
    }


def named(executor: Executor, name: object) -> Picture:
    """The picture that a chatbot names; InputError or NotFoundError, never a file that is opened."""
    text = name.strip() if isinstance(name, str) else ""
    found = _LINK.fullmatch(text)
    text = f"sha256:{found[1]}" if found else text.lower()
    if is_last(name):
        found_last = newest(executor)
        if found_last is None:
            raise NotFoundError("this branch has no picture yet", hint="generate one first")
        return found_last
    if not _NAME.fullmatch(text):
        raise InputError(f"{str(name)[:80]!r} names no picture", hint="give a name like img3, or last")
    source = executor.pictures.source(text)
    return executor.pictures.bound(source.ref, source.origin)


def is_last(name: object) -> bool:
    """Whether a chatbot names the newest picture."""
    return isinstance(name, str) and name.strip().lower() == LAST


def existing(executor: Executor) -> tuple[str, ...]:
    """The short names of the session's pictures, the newest first, not all if there are many."""
    numbers = [number for number, _ in executor.store.database.numbered_images()]
    return tuple(f"img{number}" for number in reversed(numbers[-_LISTED:]))


def near(name: object, names: Mapping[str, object] | tuple[str, ...]) -> tuple[str, ...]:
    """Names like a name."""
    return tuple(difflib.get_close_matches(str(name)[:80], list(names), 3))


def pictures_in(value: object, schema: object, at: str = "") -> Iterator[tuple[str, object]]:
    """Where arguments hold pictures, by their schema, and what is there."""
    for kind in alternatives(schema) if isinstance(schema, Mapping) else ():
        properties, items = kind.get("properties"), kind.get("items")
        if is_picture(kind) and value is not None:
            yield at, value
        elif isinstance(value, Mapping) and isinstance(properties, Mapping):
            for name in (name for name in properties if name in value):
                yield from pictures_in(value[name], properties[name], f"{at}.{name}".strip("."))
        elif isinstance(value, list) and isinstance(items, Mapping):
            for index, item in enumerate(value):
                yield from pictures_in(item, items, f"{at}.{index}")


def filled(value: object, schema: object, pictures: Mapping[str, object], at: str = "") -> object:
    """Arguments with pictures in the place of their names, and without the nulls that stand for defaults."""
    if at in pictures:
        return pictures[at]
    for kind in alternatives(schema) if isinstance(schema, Mapping) else ():
        properties, required, items = kind.get("properties"), kind.get("required"), kind.get("items")
        if isinstance(value, Mapping) and isinstance(properties, Mapping):
            wanted = required if isinstance(required, list) else []
            given = {name: each for name, each in value.items() if each is not None or name in wanted}
            return {
                name: filled(each, properties.get(name), pictures, f"{at}.{name}".strip("."))
                for name, each in given.items()
            }
        if isinstance(value, list) and isinstance(items, Mapping):
            return [filled(item, items, pictures, f"{at}.{index}") for index, item in enumerate(value)]
    return value


def newest(executor: Executor) -> Picture | None:
    """The newest picture of the current branch."""
    for row in walk(executor.store, executor.refs.head()[1]):
        made = Step.from_row(row).images()
        if made:
            return executor.pictures.bound(executor.pictures.reference(made[-1]), str(row["id"]))
    return None


def short(executor: Executor, image: Image) -> str:
    """The shortest name of a picture."""
    return alias_of(executor.store.database.alias(image.pixels)) or f"sha256:{image.pixels[:12]}"
