"""Provenance: the lineage of a picture in its own file, and what a file says about itself.

PNG holds it as plain text (an iTXt chunk), WebP as XMP; both are written without loss,
so that the pixels are those the lineage names. Other formats hold none. What is read
is found by walking the file's chunks, within bounds, before anything is decoded.
"""

from __future__ import annotations

import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape, unescape

import numpy as np
import numpy.typing as npt
from PIL import Image as PILImage
from PIL.PngImagePlugin import PngInfo

from sightline.errors import ImageError, InputError, NotFoundError
from sightline.lineage import CAP, Lineage, fitted, parsed, text_of
from sightline_tools import image as images

KEYWORD = "sightline.lineage"
_PNG = b"\x89PNG\r\n\x1a\n"
_OPEN, _SHUT = "<sightline:lineage>", "</sightline:lineage>"
_XMP = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:sightline="urn:sightline:lineage:1">'
    f'{_OPEN}%s{_SHUT}</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)
_WHERE = "save it with Sightline as .png or .webp"


def save(pixels: npt.NDArray[np.uint8], path: Path, lineage: Lineage | None, *, stacklevel: int = 3) -> None:
    """Write a picture file with its lineage, or without one; the ending chooses the format.

    Warns where the format cannot hold a lineage, and where the lineage is too long for
    all of it. InputError if the file cannot be written.
    """
    form = PILImage.registered_extensions().get(path.suffix.lower(), "")
    text = None
    if lineage is not None:
        kept = fitted(lineage)
        text = text_of(kept)
        for warning in _warnings(path, form, kept.left_out - lineage.left_out):
            warnings.warn(warning, stacklevel=stacklevel)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = PILImage.fromarray(pixels)
        if form == "PNG":
            picture.save(path, pnginfo=_png_info(text))
        elif form == "WEBP":
            picture.save(path, lossless=True, exact=True, xmp=b"" if text is None else _xmp(text))
        else:
            picture.save(path)
    except (OSError, ValueError) as error:
        raise InputError(
            f"the picture cannot be saved as {path}: {error}", hint="use an ending like .png"
        ) from error


def read(path: str | Path) -> Lineage:
    """The lineage in a PNG or WebP file, checked against the file's pixels: see `Lineage.verified`.

    Raises NotFoundError if the file is not there or holds none, ImageError if it is no
    picture, or if what stands in the place of a lineage is damaged, too large or no lineage.
    """
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {path}", hint="check the path") from error
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror}", hint="give a picture file") from error
    texts = list(_texts(data, str(path)))
    if len(texts) > 1:
        raise ImageError(f"{path} holds {len(texts)} lineages", hint="it was changed by something else")
    array = images.read_pixels(data).array
    if not texts:
        raise NotFoundError(f"{path} holds no lineage", hint=_WHERE)
    return parsed(texts[0], _digests(array))


def _digests(array: npt.NDArray[np.uint8]) -> set[str]:
    """The digests of a picture that was read; one that is opaque may have been saved with an alpha."""
    found = {images.pixel_digest(array)}
    if array.shape[2] == 3:
        opaque = np.dstack([array, np.full(array.shape[:2], 255, np.uint8)])
        found.add(images.pixel_digest(opaque))
    return found


def _warnings(path: Path, form: str, left_out: int) -> Iterator[str]:
    if form in ("PNG", "WEBP"):
        if left_out:
            yield f"{path.name}: the lineage is long; its {left_out} oldest steps were left out"
    elif form == "JPEG":
        yield f"{path.name}: JPEG changes the pixels and holds no lineage; use .png or .webp to keep both"
    elif form:
        yield f"{path.name}: {form} holds no lineage; use .png or .webp to keep it"


def _png_info(text: str | None) -> PngInfo:
    info = PngInfo()
    if text is not None:
        info.add_itxt(KEYWORD, text)
    return info


def _xmp(text: str) -> bytes:
    # two characters that JSON may hold and XML may not; in JSON they can be written as escapes
    clean = re.sub("[\ufffe\uffff]", lambda found: f"\\u{ord(found[0]):04x}", text)
    return (_XMP % escape(clean)).encode()


def _texts(data: bytes, name: str) -> Iterator[str]:
    """What stands in a file in the place of a lineage."""
    if data.startswith(_PNG):
        for kind, body in _png_chunks(data):
            if kind == b"iTXt" and body.startswith(KEYWORD.encode() + b"\0"):
                yield _decoded(_international(body[len(KEYWORD) + 1 :], name), name)
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        for kind, body in _webp_chunks(data):
            if kind == b"XMP " and _OPEN.encode() in body:
                inner = body.split(_OPEN.encode(), 1)[1].split(_SHUT.encode(), 1)[0]
                yield unescape(_decoded(_bounded(inner, name, 5 * CAP), name))  # & is written in five bytes


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_PNG)
    while at + 12 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind = data[at + 4 : at + 8]
        if kind == b"iTXt":
            yield kind, data[at + 8 : at + 8 + length]
        at += 12 + length


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 12
    while at + 8 <= len(data):
        kind, (length,) = data[at : at + 4], struct.unpack("<I", data[at + 4 : at + 8])
        yield kind, data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def _international(rest: bytes, name: str) -> bytes:
    """The text of an iTXt chunk after its keyword; a writer of other programs may have compressed it."""
    packed, parts = rest[:1] == b"\1", rest[2:].split(b"\0", 2)
    if len(parts) != 3:
        raise ImageError(f"the lineage in {name} is cut short", hint="give a whole file")
    if not packed:
        return _bounded(parts[2], name)
    try:
        opened = zlib.decompressobj().decompress(parts[2], CAP + 1)
    except zlib.error as error:
        raise ImageError(f"the lineage in {name} is damaged: {error}", hint="give a whole file") from error
    return _bounded(opened, name)


def _bounded(text: bytes, name: str, limit: int = CAP) -> bytes:
    if len(text) > limit:
        raise ImageError(f"the lineage in {name} is too long", hint="it was not written by Sightline")
    return text


def _decoded(text: bytes, name: str) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise ImageError(f"the lineage in {name} is not text: {error}", hint="it is damaged") from error
