"""Routes of artifacts: pictures by digest, for good. What another tenant holds is not there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from sightline.errors import InputError, NotFoundError
from sightline.server.access import Caller, needs
from sightline.server.house import House, house_of
from sightline.server.problem_forms import refusals
from sightline.server.problems import response_of
from sightline.server.renditions import MAX_EDGE, MEDIA, Format, rendition
from sightline.server.work import run
from sightline.store.database import Store
from sightline_tools.image import Image, decode_png

router = APIRouter(prefix="/v1/artifacts", tags=["artifacts"])

Digest = Annotated[
    str, Path(max_length=100, description="of the pixels or of the file, with or without `sha256:`")
]

_DIGEST = re.compile("(?:sha256:)?([0-9a-f]{64})")
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_BINARY: dict[str, object] = {"schema": {"type": "string", "format": "binary"}}
_FILE: dict[int | str, dict[str, object]] = {
    200: {"description": "the file", "content": {media: _BINARY for media in MEDIA.values()}},
    206: {"description": "the part that was asked for", "content": {"image/png": _BINARY}},
    304: {"description": "the client has it already"},
}


@dataclass(frozen=True)
class Wanted:
    """What a client wants of a picture: whether as it is stored, or in another form or size."""

    digest: str
    form: Format | None
    edge: int | None

    @property
    def media(self) -> str:
        """The media type of what is sent."""
        return MEDIA[self.form or "png"]

    def tag(self, image: Image) -> str:
        """The strong ETag: the same tag is the same bytes."""
        as_it_is = self.form is None and self.edge is None
        return f'"{image.blob}"' if as_it_is else f'"{image.pixels}-{self.form or "png"}-{self.edge or 0}"'

    def name(self, image: Image) -> str:
        """A safe name for the file."""
        ending = "jpg" if self.form == "jpeg" else self.form or "png"
        return f"sightline-{image.pixels[:12]}.{ending}"


@router.head("/{digest}", include_in_schema=False)
@router.get(
    "/{digest}",
    summary="Get a picture",
    response_class=Response,
    responses={**_FILE, **refusals(404, 416)},
)
async def get_artifact(
    request: Request,
    caller: Annotated[Caller, Depends(needs("sessions", "images", "chat"))],
    digest: Digest,
    form: Annotated[Format | None, Query(alias="format", description="another file format")] = None,
    edge: Annotated[int | None, Query(ge=1, le=MAX_EDGE, description="no side longer, in pixels")] = None,
) -> Response:
    """Give a picture as it is stored, a PNG, or a smaller one; a digest is the same picture for good."""
    wanted, house = Wanted(digest, form, edge), house_of(request)
    known = request.headers.get("if-none-match", "")
    image, data = await run(request, house.crew, lambda: _read(house, caller.tenant, wanted, known))
    headers = _headers(wanted, image)
    if data is None:
        return Response(status_code=304, headers=headers)
    return _sent(request, data, wanted.media, headers)


def _read(house: House, tenant: str, wanted: Wanted, known: str) -> tuple[Image, bytes | None]:
    """A picture and its file, None if the client knows it; NotFoundError if the tenant holds none."""
    with house.tenants.store(tenant) as store:
        image = _held(store, wanted.digest)
        if store is None or image is None:
            raise NotFoundError("there is no such picture", hint="a step's images tell where theirs are")
        if _matches(known, wanted.tag(image)):
            return image, None
        stored = store.objects.get(image.blob)
    if wanted.form is None and wanted.edge is None:
        return image, stored
    return image, rendition(decode_png(stored), wanted.form or "png", wanted.edge)


def _held(store: Store | None, digest: str) -> Image | None:
    found = _DIGEST.fullmatch(digest)
    if store is None or found is None:
        return None
    row = store.database.get_image(found[1]) or store.database.image_of_blob(found[1])
    return None if row is None else Image.model_validate(row)


def _headers(wanted: Wanted, image: Image) -> dict[str, str]:
    return {
        "etag": wanted.tag(image),
        "cache-control": "private, max-age=31536000, immutable",
        "content-disposition": f'inline; filename="{wanted.name(image)}"',
        "x-content-type-options": "nosniff",
        "accept-ranges": "bytes",
    }


def _matches(known: str, tag: str) -> bool:
    """Whether an If-None-Match names a tag (RFC 9110, section 13.1.2)."""
    names = [name.strip().removeprefix("W/") for name in known.split(",")]
    return known.strip() == "*" or tag in names


def _sent(request: Request, data: bytes, media: str, headers: dict[str, str]) -> Response:
    """The file, or the one range of it that was asked for (RFC 9110, section 14); others give all."""
    asked = request.headers.get("range", "")
    same = request.headers.get("if-range", headers["etag"]) == headers["etag"]
    span = _span(asked, len(data)) if same and request.method == "GET" else None
    if span is None:
        return _answer(request, data, 200, media, headers)
    first, end = span
    if first >= end:
        refused = InputError(f"the file has {len(data)} bytes", hint="ask for a range inside of it")
        response = response_of(refused, 416)
        response.headers["content-range"] = f"bytes */{len(data)}"
        return response
    told = headers | {"content-range": f"bytes {first}-{end - 1}/{len(data)}"}
    return _answer(request, data[first:end], 206, media, told)


def _span(asked: str, size: int) -> tuple[int, int] | None:
    """The beginning of a range and the byte after its end; None for what is not one range."""
    found = _RANGE.fullmatch(asked)
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        return max(0, size - int(found[2])), size
    first = int(found[1])
    if not found[2]:
        return first, size
    return None if int(found[2]) < first else (first, min(size, int(found[2]) + 1))


def _answer(request: Request, data: bytes, status: int, media: str, headers: dict[str, str]) -> Response:
    """A response; to HEAD one that tells the size of what it leaves out."""
    if request.method == "HEAD":
        told = headers | {"content-length": str(len(data))}
        return Response(status_code=status, media_type=media, headers=told)
    return Response(data, status, media_type=media, headers=headers)
