"""The pictures of a session: what stands for one, and how new ones come in.

A call that reads a new picture carries its file along; the file is stored, and
an `add` step recorded, when the call's own step is. A call that fails adds nothing.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image as PILImage
from pydantic import ValidationError

from sightline.errors import CorruptStoreError, InputError, NotFoundError
from sightline.lineage import Lineage
from sightline.results import Picture, Result
from sightline.store.database import Store
from sightline.tree.ancestry import lineage
from sightline.tree.naming import alias_of, named_picture, names_picture
from sightline.tree.steps import Step
from sightline_tools import image as images
from sightline_tools.image import Image


@dataclass(frozen=True)
class Source:
    """A picture that a call reads: its value, the step it came from, and its file if it is new here."""

    ref: Image
    origin: str | None = None
    png: bytes | None = None
    notes: tuple[str, ...] = ()


class Pictures:
    """Reads and keeps the pictures of one store; without `files` a text never names a file."""

    def __init__(self, store: Store, *, files: bool = True) -> None:
        self._store, self._files = store, files

    def load(self, ref: Image) -> npt.NDArray[np.uint8]:
        """The pixels of a stored picture; NotFoundError if it was swept away since it was made."""
        try:
            return images.decode_png(self._store.objects.get(ref.blob))
        except CorruptStoreError as error:
            if self.find(ref.pixels) is None:
                raise NotFoundError(
                    f"picture {ref.pixels[:8]} is not in this session any more",
                    hint="no branch or tag held it when the store was swept; make it again",
                ) from error
            raise

    def bound(self, ref: Image, origin: str | None = None) -> Picture:
        """A value bound to this session's bytes, with its short name in this session."""
        number = self._store.database.alias(ref.pixels)
        return Picture(ref, self.load, origin, alias_of(number), self.trace)

    def trace(self, ref: Image, origin: str | None) -> Lineage:
        """The lineage of a picture."""
        return lineage(self._store, ref.pixels, origin)

    def all(self) -> dict[str, Picture]:
        """Every picture of the session by its pixel digest; those whose rows are damaged are left out."""
        found = {}
        for number, row in self._store.database.numbered_images():
            with suppress(ValidationError):
                ref = Image.model_validate(row)
                found[ref.pixels] = Picture(ref, self.load, None, alias_of(number), self.trace)
        return found

    def find(self, pixels: str) -> Image | None:
        """The value of a stored picture, None if it is not here; CorruptStoreError if its row is damaged."""
        row = self._store.database.get_image(pixels)
        try:
            return None if row is None else Image.model_validate(row)
        except ValidationError as error:
            raise CorruptStoreError(
                f"the row of picture {pixels[:8]} is damaged",
                hint="all else is readable; repeat the call that made the picture",
            ) from error

    def reference(self, pixels: str) -> Image:
        """The value of a picture that a step names; CorruptStoreError if it is not whole."""
        found = self.find(pixels)
        if found is None:
            raise CorruptStoreError(
                f"the row of picture {pixels[:8]} is missing",
                hint="all else is readable; repeat the call that made the picture",
            )
        return found

    def whole(self, pixels: str) -> bool:
        """Whether a picture can be read."""
        try:
            self._store.objects.get(self.reference(pixels).blob)
        except CorruptStoreError:
            return False
        return True

    def source(self, value: object) -> Source:
        """Anything that stands for a picture: one of this session, or a new one."""
        if isinstance(value, Result):
            value = value.image
        if isinstance(value, Picture):
            here = self.find(value.ref.pixels)
            return self.incoming(value) if here is None else self._known(here, value.origin)
        if isinstance(value, Step):
            return self._known(self._own(_first(value)), value.id)
        if isinstance(value, Image):
            return self._known(self._own(value.pixels), None)
        if isinstance(value, str) and names_picture(value):
            ref = self.named(value)
            return self._known(ref, self._store.database.first_producer(ref.pixels))
        return self.incoming(value)

    def named(self, name: str) -> Image:
        """The picture that `img3` or `sha256:…` stands for; NotFoundError if there is none."""
        return self.reference(named_picture(self._store.database, name))

    def incoming(self, value: object) -> Source:
        """A picture as one to bring in, whether or not it is here already."""
        if isinstance(value, Image | Step) or (isinstance(value, str) and names_picture(value)):
            value = self.load(self.source(value).ref)
        if isinstance(value, Result):
            value = value.image
        if isinstance(value, Picture):
            value = value.numpy()
        if not isinstance(value, str | Path | bytes | PILImage.Image | np.ndarray):
            raise InputError(
                f"{type(value).__name__} is not a picture",
                hint="give a path, bytes, a Pillow image, a numpy array, or a name like img3",
            )
        if isinstance(value, str | Path) and not self._files:
            raise InputError(
                f"{str(value)[:80]!r} is not a picture of this session",
                hint="give a name like img3 or sha256:…",
            )
        decoded = images.read_pixels(value)
        ref, png = images.describe(decoded.array)
        return Source(ref, None, png, decoded.notes)

    def _own(self, pixels: str) -> Image:
        found = self.find(pixels)
        if found is None:
            raise NotFoundError(f"picture {pixels[:8]} is not in this session", hint="add it first")
        return found

    def _known(self, ref: Image, origin: str | None) -> Source:
        """A picture that is here; a step of another session is not where it came from."""
        database = self._store.database
        here = origin is not None and database.has_step(origin)
        return Source(ref, origin if here else database.producer(ref.pixels))


def _first(step: Step) -> str:
    made = step.images()
    if not made:
        raise InputError(f"step {step.short} ({step.tool}) made no picture", hint="use another step")
    return made[0]
