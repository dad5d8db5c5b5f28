"""OpenAI's routes of pictures: `/v1/images/generations` and `/v1/images/edits`, as steps of a session."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Annotated, cast

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.responses import Response

from sightline.errors import InputError
from sightline.results import Drawn
from sightline.server.access import Caller, needs
from sightline.server.deadlines import limit_of
from sightline.server.house import House, house_of
from sightline.server.openai_extras import unheeded
from sightline.server.openai_forms import EditForm, GenerationForm, Painted
from sightline.server.openai_pictures import check_model, check_sizes, encoded, region_of
from sightline.server.openai_shown import PICTURES
from sightline.server.openai_stream import data, streamed
from sightline.server.pictures import read_upload
from sightline.server.placing import executor_of, going
from sightline.server.work import run, told
from sightline_runtime.protocol import Event, Preview

router = APIRouter(tags=["openai"])

Images = Annotated[Caller, Depends(needs("images"))]
Watch = Callable[[Event], None]

_FILES, _FIELDS = 20, 64
"""Files and fields of one form."""
_REFUSED = {
    "markup": "say in words what to change",
    "svg": "ask for png, webp or jpeg",
    "frame_count": "ask for single pictures",
}


def _multipart() -> dict[str, object]:
    """The form of an edit, for the API's description."""
    schema = EditForm.model_json_schema()
    file = {"type": "string", "format": "binary", "description": "PNG, JPEG, WebP or GIF"}
    schema["properties"] |= {"image": file, "mask": file}
    schema["required"] = [*schema["required"], "image"]
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


@dataclass(frozen=True)
class _Order:
    """A picture that was ordered: the tool and its arguments, and what was asked of the answer."""

    house: House
    tenant: str
    address: str
    kind: str
    tool: str
    form: Painted
    args: Mapping[str, object]
    warnings: tuple[str, ...] = ()

    def drawn(self, watch: Watch | None = None) -> dict[str, object]:
        """Draw, as a step of the caller's session, and give the answer; blocking."""
        check_model(self.house, self.form.model)
        size, info = _size(self.form), self.house.runtime.info
        check_sizes(self.house, size or info.image_size, self.form.n)
        with (
            self.house.tenants.session(self.tenant, self.form.session) as session,
            going(session, self.form.branch) as view,
        ):
            args = {**self.args, "n": self.form.n, "size": size}
            args |= {"steps": self.form.steps, "guidance": self.form.guidance}
            if self.form.stream and self.form.partial_images:
                steps = self.form.steps or info.default_steps
                args["preview_every"] = max(1, steps // (self.form.partial_images + 1))
            result = executor_of(view).run(self.tool, args, seed=self.form.seed, watch=watch)
            return self._answer(cast(Drawn, result), view.name, view.head[0], info.feature_shape[0])

    def _answer(self, result: Drawn, session: str, branch: str, tokens: int) -> dict[str, object]:
        usage = result.usage
        text, seen = int(usage.get("prompt_tokens", 0)), int(usage.get("image_tokens", 0))
        painted = 0 if result.cache.status == "hit" else len(result.images)
        made = int(usage.get("completion_tokens", 0)) + tokens * painted
        told = (*self.warnings, *result.warnings)
        transparent = result.image.ref.mode == "RGBA"
        return {
            "created": int(time.time()),
            "data": [self._picture(result, index, session, branch) for index in range(len(result.images))],
            "background": "transparent" if transparent else "opaque",
            "output_format": self.form.output_format,
            "quality": "auto",
            "size": f"{result.image.width}x{result.image.height}",
            "usage": {
                "input_tokens": text + seen,
                "input_tokens_details": {"text_tokens": text, "image_tokens": seen},
                "output_tokens": made,
                "total_tokens": text + seen + made,
            },
        } | ({"warnings": list(told)} if told else {})

    def _picture(self, result: Drawn, index: int, session: str, branch: str) -> dict[str, object]:
        picture, form = result.images[index], self.form
        plan = result.plans[index] if index < len(result.plans) else ""
        noted = {
            "session": session,
            "branch": branch,
            "step": result.step.id,
            "image": picture.alias,
            "digest": f"sha256:{picture.ref.pixels}",
            "seed": str(result.seeds[index]),
            "cache": result.cache.status,
            "plan": plan,
        }
        if form.response_format == "url" and not form.stream:
            ending = "" if form.output_format == "png" else f"?format={form.output_format}"
            shown = {"url": f"{self.address}/v1/artifacts/{picture.ref.pixels}{ending}"}
        else:
            shown = {"b64_json": encoded(picture.numpy(), form.output_format, form.output_compression)}
        return {**shown, "sightline": noted}

    def partial(self, preview: Preview, index: int) -> dict[str, object]:
        """What a picture looks like so far, as an event."""
        height, width = preview.pixels.shape[:2]
        return {
            "type": f"{self.kind}.partial_image",
            "b64_json": encoded(preview.pixels, self.form.output_format, self.form.output_compression),
            "partial_image_index": index,
            "created_at": int(time.time()),
            "size": f"{width}x{height}",
            "quality": "auto",
            "background": "opaque",
            "output_format": self.form.output_format,
        }

    def completed(self, answer: Mapping[str, object]) -> dict[str, object]:
        """The picture, as the last event."""
        (picture,) = cast(list[dict[str, object]], answer["data"])
        rest = {name: value for name, value in answer.items() if name not in ("data", "created")}
        return {"type": f"{self.kind}.completed", "created_at": answer["created"], **picture, **rest}

    def work(self, tell: Callable[[dict[str, object]], None]) -> None:
        """Draw and tell the events of a stream; blocking."""
        count, most = 0, self.form.partial_images or 0

        def watch(event: Event) -> None:
            nonlocal count
            if isinstance(event, Preview) and count < most:
                tell(self.partial(event, count))
                count += 1

        tell(self.completed(self.drawn(watch)))


@router.post(
    "/v1/images/generations", summary="Draw pictures of a prompt", response_model=None, responses=PICTURES
)
async def generations(request: Request, form: GenerationForm, caller: Images) -> Response:
    """Draw pictures of a prompt, each a step's output that can be named, edited and asked about.

    OpenAI's form and answer. Our own fields: `seed`, `steps`, `guidance`, `session`, `branch`; and
    `sightline` in the answer says where each picture stands. Without a seed the session chooses,
    the same for the same prompt.
    """
    order = _ordered(request, caller, form, "image_generation", "generate", {"prompt": form.prompt})
    return await _served(request, order)


@router.post(
    "/v1/images/edits",
    summary="Change a picture",
    response_model=None,
    responses=PICTURES,
    openapi_extra=_multipart(),
)
async def edits(request: Request, caller: Images) -> Response:
    """Change a picture as a prompt says: a multipart form with `image`, perhaps a `mask`, and the fields.

    Where the mask is transparent the picture may change; every other pixel stays as it is.
    """
    house = house_of(request)
    async with request.form(max_files=_FILES, max_fields=_FIELDS) as sent:
        form = _edit_form(sent)
        image, mask = await _files(sent)
    args: dict[str, object] = {"instruction": form.prompt}
    args["image"] = await run(request, house.crew, partial(read_upload, house.settings, image))
    if mask is not None:
        alpha = await run(request, house.crew, partial(read_upload, house.settings, mask))
        args |= {"region": region_of(alpha), "feather": 0}  # the mask itself says how softly
    return await _served(request, _ordered(request, caller, form, "image_edit", "edit", args))


def _ordered(
    request: Request, caller: Caller, form: Painted, kind: str, tool: str, args: Mapping[str, object]
) -> _Order:
    if form.background == "transparent":
        raise InputError(
            "this model draws no transparent background", hint="leave background out, or say opaque"
        )
    if form.stream and form.n > 1:
        raise InputError(f"n is {form.n} in a stream", hint="ask for one picture a stream")
    warnings = unheeded(form, _REFUSED)
    if form.response_format == "url" and form.output_compression is not None:
        warnings += ("output_compression is not honoured where a picture is given by url",)
    address = str(request.base_url).rstrip("/")
    return _Order(house_of(request), caller.tenant, address, kind, tool, form, args, warnings)


async def _served(request: Request, order: _Order) -> Response:
    if order.form.stream:
        return await streamed(request, _frames(request, order))
    return JSONResponse(await run(request, order.house.crew, order.drawn))


async def _frames(request: Request, order: _Order) -> AsyncGenerator[bytes]:
    crew = order.house.crew
    async with aclosing(told(crew, order.work, limit=limit_of(request, crew.most_seconds))) as events:
        async for event in events:
            yield data(event, str(event["type"]))


def _size(form: Painted) -> tuple[int, int] | None:
    if form.size is None or form.size == "auto":
        return None
    width, height = form.size.split("x")
    return int(width), int(height)


# --- multipart -----------------------------------------------------------------------------------


def _edit_form(sent: FormData) -> EditForm:
    """The fields of a form; numbers come as text."""
    fields = {name: value for name, value in sent.multi_items() if isinstance(value, str)}
    try:
        return EditForm.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"{where}: {first['msg']}", hint="see /openapi.json for the form") from error


async def _files(sent: FormData) -> tuple[bytes, bytes | None]:
    """The picture and the mask; the picture is called `image` or `image[]`, whatever its type and name."""
    files = [(name, value) for name, value in sent.multi_items() if isinstance(value, UploadFile)]
    images = [value for name, value in files if name in ("image", "image[]", "image[0]")]
    masks = [value for name, value in files if name == "mask"]
    others = [name for name, _ in files if name not in ("image", "image[]", "image[0]", "mask")]
    if len(images) != 1:
        raise InputError(
            f"{len(images)} pictures were sent, this model edits one at a time",
            hint="send one file as image" if not images else "send one, or lay them into one picture first",
        )
    if len(masks) > 1 or others:
        raise InputError("there are files that the form does not know", hint="send image and mask")
    return await images[0].read(), await masks[0].read() if masks else None
