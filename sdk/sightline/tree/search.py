"""Find steps by words, and pictures by a picture that they resemble.

Words are looked up in the database's index. Pictures are compared by the mean of
their features under the session's model, one short vector each; a picture gets its
vector when a search first meets it, so that nobody pays for searches never made.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sightline.errors import CorruptStoreError, InputError
from sightline.results import Picture
from sightline.store.database import Row
from sightline.tree import cancelling
from sightline.tree.execute import Executor
from sightline.tree.naming import names_picture
from sightline.tree.pictures import Source
from sightline.tree.steps import Step
from sightline_runtime.protocol import EmbedRequest, Features
from sightline_tools import image as images
from sightline_tools.vision import on_white

Vector = npt.NDArray[np.float32]
Array = npt.NDArray[np.uint8]

_LONGEST = 1920
"""Numbers of a vector; as float16 they stay under 4 KB a row."""
_AT_ONCE = 16
"""Pictures that are embedded together."""


@dataclass(frozen=True)
class Found:
    """What a search found: a step, the picture that resembles if one was asked for, and how much.

    `score` is the cosine of the two pictures' features, -1 to 1; a step found by words has 1.
    """

    step: Step
    picture: Picture | None
    score: float

    def __repr__(self) -> str:
        shown = "" if self.picture is None else f" {self.picture!r} {self.score:.3f}"
        return f"<Found {self.step.short} {self.step.tool}{shown} {self.step.summary()[:60]!r}>"


def find(executor: Executor, what: object, limit: int) -> list[Found]:
    """Find by a text's words, newest first, or by anything that stands for a picture, likest first."""
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise InputError(f"limit is {limit!r}", hint="ask for at least one")
    if isinstance(what, str) and not names_picture(what):
        return by_words(executor, what, limit)
    return by_picture(executor, what, limit)


def by_words(executor: Executor, text: str, limit: int) -> list[Found]:
    """The session's steps whose prompts and answers hold all words of a text, newest first."""
    return [Found(executor.step(id_), None, 1.0) for id_ in executor.store.database.search(text, limit)]


def by_picture(executor: Executor, what: object, limit: int) -> list[Found]:
    """The session's pictures, likest first; the picture itself is among them if it is there."""
    info = executor.runtime.info
    if "embed" not in info.capabilities:
        raise InputError(f"the model {info.model} cannot compare pictures", hint="search by words")
    (wanted,) = _embedded(executor, [_pixels(executor, executor.pictures.source(what))])
    _embed_new(executor, info.fingerprint)
    rows = executor.store.database.vectors(info.fingerprint)
    scores = [float(wanted @ np.frombuffer(_bytes(row), np.float16).astype(np.float32)) for row in rows]
    best = sorted(range(len(rows)), key=lambda index: -scores[index])[:limit]
    return [_found(executor, str(rows[index]["pixels"]), scores[index]) for index in best]


def _embed_new(executor: Executor, fingerprint: str) -> None:
    """Give a vector to every picture of the session that has none; one that is damaged stays without."""
    database = executor.store.database
    waiting = database.pixels_without_vector(fingerprint)
    for start in range(0, len(waiting), _AT_ONCE):
        batch = list(_readable(executor, waiting[start : start + _AT_ONCE]))
        vectors = _embedded(executor, [pixels for _, pixels in batch]) if batch else []
        for (name, _), vector in zip(batch, vectors, strict=True):
            database.put_vector(name, fingerprint, vector.astype(np.float16).tobytes())


def _readable(executor: Executor, names: list[str]) -> Iterator[tuple[str, Array]]:
    for name in names:
        with suppress(CorruptStoreError):
            yield name, executor.pictures.load(executor.pictures.reference(name))


def _pixels(executor: Executor, source: Source) -> Array:
    return executor.pictures.load(source.ref) if source.png is None else images.decode_png(source.png)


def _embedded(executor: Executor, pictures: list[Array]) -> list[Vector]:
    """One vector of length 1 for each picture."""
    job = executor.runtime.embed_images(EmbedRequest(tuple(on_white(pixels) for pixels in pictures)))
    with cancelling.current().covering(job):
        return [pooled(features) for features in job.result().features]


def pooled(features: Features) -> Vector:
    """The mean of features (tokens, width) as a vector of length 1; one too long is averaged in groups."""
    mean = features.astype(np.float32).mean(axis=0)
    group = -(-mean.size // _LONGEST)
    mean = np.pad(mean, (0, -mean.size % group)).reshape(-1, group).mean(axis=1)
    vector: Vector = mean / max(float(np.linalg.norm(mean)), 1e-12)
    return vector


def _found(executor: Executor, pixels: str, score: float) -> Found:
    step = executor.step(executor.store.database.first_producer(pixels))
    picture = executor.pictures.bound(executor.pictures.reference(pixels), step.id)
    return Found(step, picture, score)


def _bytes(row: Row) -> bytes:
    vector = row["vector"]
    return vector if isinstance(vector, bytes) else b""
