"""Importing: an archive into a session; anyone may have made it, so all is checked before any is written."""

from __future__ import annotations

import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from sightline.archive import TEXTS, Archive, Manifest, Pointers, StepRow, place_of, sha256
from sightline.errors import InputError, NotFoundError, SightlineError
from sightline.lineage import digests_in
from sightline.store.database import Store
from sightline.tree.form import misfit
from sightline.tree.recipe import dumps
from sightline.tree.refs import MAIN
from sightline.tree.steps import Step
from sightline_tools import image as images
from sightline_tools.image import MAX_PIXELS, Image

_OBJECT = re.compile(r"objects/[0-9a-f]{2}/[0-9a-f]{62}")
_MAX_TEXT, _MAX_OBJECT, _MAX_RATIO = 512 * 2**20, 256 * 2**20, 200
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    OSError,
    EOFError,
    ValueError,
    SyntaxError,
    RuntimeError,
)
"""What reading a hostile zip, JSON or PNG may raise; the last holds RecursionError."""

M = TypeVar("M", bound=BaseModel)


def checked(path: Path) -> Archive:
    """Read an archive and check all of it: names, sizes, every digest, every picture; writes nothing.

    NotFoundError if the file is not there, InputError if it is no archive or not whole.
    """
    with _opened(path) as file:
        _check_members(file, path)
        manifest = _parsed(Manifest, file.read("manifest.json"))
        texts = {name: file.read(name) for name in TEXTS}
        for name, data in texts.items():
            if sha256(data) != manifest.digests.get(name):
                raise _refused(f"{name} does not match its digest")
        pictures = tuple(_parsed(Image, line) for line in texts["images.jsonl"].splitlines())
        steps = tuple(_checked_steps(texts["steps.jsonl"], {image.pixels for image in pictures}))
        pointers = _parsed(Pointers, texts["refs.json"])
        _check_pointers(pointers, {step.id for step in steps})
        _check_pictures(file, pictures)
    return Archive(path, steps, pictures, pointers, manifest.seed, manifest.models)


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """The zip of an archive; whatever is wrong in reading it is an InputError."""
    if not path.exists():
        raise NotFoundError(f"there is no file {path}", hint="check the path")
    try:
        with zipfile.ZipFile(path) as file:
            yield file
    except SightlineError:
        raise
    except _UNREADABLE as error:
        raise _refused(f"{path.name} cannot be read: {str(error)[:200]}") from error


def _check_members(file: zipfile.ZipFile, path: Path) -> None:
    """Refuse what is not of the form: names, kinds and sizes, before any of it is read."""
    infos = file.infolist()
    names = [info.filename for info in infos]
    if len(set(names)) != len(names):
        raise _refused("a name stands in it twice")
    if not {"manifest.json", *TEXTS} <= set(names):
        raise _refused(f"{path.name} is not a session")
    for info in infos:
        _check_member(info)
    if sum(info.compress_size for info in infos) > path.stat().st_size:
        raise _refused("its parts overlap")


def _check_member(info: zipfile.ZipInfo) -> None:
    is_object = _OBJECT.fullmatch(info.filename) is not None
    if not is_object and info.filename not in ("manifest.json", *TEXTS):
        raise _refused(f"it holds {info.filename[:80]!r}")
    if info.flag_bits & 1 or stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
        raise _refused(f"{info.filename} is encrypted, or not a plain file")
    if is_object and (info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size):
        raise _refused(f"{info.filename} is packed")
    if info.file_size > (_MAX_OBJECT if is_object else _MAX_TEXT):
        raise _refused(f"{info.filename} is too large")
    if info.file_size > _MAX_RATIO * info.compress_size + 2**20:
        raise _refused(f"{info.filename} would unpack to {info.file_size:,} bytes")


def _checked_steps(text: bytes, pictures: set[str]) -> Iterator[Step]:
    known: set[str] = set()
    for line in text.splitlines():
        row = dict(_parsed(StepRow, line))
        for name in ("args", "seeds", "outputs", "usage", "data_parents", "error"):
            row[name] = None if row[name] is None else dumps(row[name])
        step = Step.from_row(row)
        if (wrong := misfit(step)) is not None:
            raise _refused(f"step {step.short} is of no form that is known: {wrong}")
        missing = {step.parent, *step.data_parents} - known - {None}
        lacking = {*step.images(), *digests_in(step.outputs)} - pictures
        if missing or lacking:
            raise _refused(f"step {step.short} builds on what is not in it")
        known.add(step.id)
        yield step


def _check_pointers(pointers: Pointers, known: set[str]) -> None:
    redone = [step for steps in pointers.redo.values() for step in steps]
    if {*pointers.branches.values(), *pointers.tags.values(), *redone} - known - {None}:
        raise _refused("a branch or tag names a step that is not in it")
    if pointers.head not in pointers.branches or not pointers.redo.keys() <= pointers.branches.keys():
        raise _refused("its current branch is not in it")


def _check_pictures(file: zipfile.ZipFile, pictures: tuple[Image, ...]) -> None:
    objects = {name for name in file.namelist() if _OBJECT.fullmatch(name)}
    if {place_of(image.blob) for image in pictures} != objects or len(objects) != len(pictures):
        raise _refused("its pictures are not those that it lists")
    if len({image.pixels for image in pictures}) != len(pictures):
        raise _refused("it lists a picture twice")
    for image in pictures:
        data = file.read(place_of(image.blob))
        if sha256(data) != image.blob or not _shows(data, image):
            raise _refused(f"picture {image.pixels[:8]} does not match its digest")


def _shows(png: bytes, image: Image) -> bool:
    """Whether a file is the PNG of a picture; its size is looked at before its pixels are decoded."""
    edges = struct.unpack(">II", png[16:24])
    if png[:8] != b"\x89PNG\r\n\x1a\n" or edges != (image.width, image.height):
        return False
    if image.width * image.height > MAX_PIXELS or image.media_type != "image/png":
        return False
    array = images.decode_png(png)
    return images.mode_of(array) == image.mode and images.pixel_digest(array) == image.pixels


def _parsed(model: type[M], text: bytes) -> M:
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise _refused(str(error.errors()[0]["msg"])[:200]) from error


def _refused(why: str) -> InputError:
    return InputError(f"this archive is not taken in: {why}", hint="export the session again")


def fill(store: Store, archive: Archive) -> None:
    """Put an archive into a session: bytes first, then rows and pointers in one transaction.

    Steps and pictures that are there already are shared. A session without a step becomes
    the one that was exported; in any other, a branch or tag whose name stands elsewhere is
    called `imported/<name>`, and nothing that is there moves.
    """
    with _opened(archive.path) as file:
        for image in archive.images:
            if store.objects.put(file.read(place_of(image.blob))) != image.blob:
                raise _refused("it changed while it was read")
    with store.database.alone():
        fresh = _is_fresh(store)
        for image in archive.images:
            store.database.insert_image(image.model_dump())
        for step in archive.steps:
            store.database.insert_step(step.to_row(), made=step.images())
        for fingerprint, name in archive.models.items():
            store.database.settle(f"model/{fingerprint}", Path(name).name[:200])
        for name, at in archive.pointers.branches.items():
            _placed(store, "branch", name, at, fresh)
        for name, at in archive.pointers.tags.items():
            _placed(store, "tag", name, at, fresh)
        if fresh:
            _continue(store, archive)


def _is_fresh(store: Store) -> bool:
    """Whether a session has no step, of its own or shared with another one."""
    return not store.database.steps(1) and all(ref.target is None for ref in store.database.refs("branch"))


def _continue(store: Store, archive: Archive) -> None:
    """Stand where the exported session stood, with its seed and what it could redo."""
    for name, steps in archive.pointers.redo.items():
        store.database.put_ref("redo", name, dumps(list(steps)))
    store.database.put_ref("head", "HEAD", archive.pointers.head)
    if MAIN not in archive.pointers.branches:  # it was made when the session was opened
        store.database.delete_ref("branch", MAIN, None, why="import")
    if archive.seed is not None:
        store.database.set_meta("seed", archive.seed)


def _placed(store: Store, kind: str, name: str, target: str | None, fresh: bool) -> None:
    """Make a pointer, under another name if its own stands elsewhere."""
    number, free = 1, name
    while (there := store.database.get_ref(kind, free)) is not None and there.target != target:
        if fresh and there.target is None:
            store.database.move_ref(kind, free, expected=None, new=target, why="import")
            return
        free, number = f"imported/{name}" if number == 1 else f"imported/{name}-{number}", number + 1
    if there is None:
        store.database.move_ref(kind, free, expected=None, new=target, create=True, why="import")
