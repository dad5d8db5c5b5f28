"""Forms of OpenAI's routes: what its clients send, and our own fields beside theirs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from sightline.server.openai_extras import Lenient
from sightline.server.session_forms import RefText, Seed, SessionName

SESSION = "openai"
"""The session in which the steps of these routes stand, unless a request names another."""

Size = Annotated[str, StringConstraints(pattern=r"^(auto|[1-9][0-9]{0,3}x[1-9][0-9]{0,3})$")]
OutputFormat = Literal["png", "webp", "jpeg"]
Short = Annotated[str, StringConstraints(max_length=200)]


class Placed(Lenient):
    """Our own fields: where the step is to stand."""

    session: SessionName = Field(SESSION, description="the session that keeps the steps; made if needed")
    branch: RefText | None = Field(None, description="the branch it goes on; the session's own by default")
    model: Short | None = None


class Painted(Placed):
    """What both routes of pictures take."""

    prompt: str = Field(min_length=1)
    n: int = Field(1, ge=1, le=64)
    size: Size | None = Field(None, description="WxH in pixels, or auto")
    response_format: Literal["b64_json", "url"] = "b64_json"
    output_format: OutputFormat = "png"
    output_compression: int | None = Field(None, ge=0, le=100, description="quality of webp and jpeg")
    background: Literal["auto", "opaque", "transparent"] = "auto"
    stream: bool | None = False
    partial_images: int | None = Field(None, ge=0, le=3)
    seed: Seed | None = Field(None, description="of the first picture; the same seed gives the same picture")
    steps: int | None = Field(None, ge=1, le=1000, description="denoising steps")
    guidance: float | None = Field(None, ge=0, le=1000, description="classifier-free guidance; 1 is off")


class GenerationForm(Painted):
    """A prompt to draw."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"prompt": "a red circle left of a blue square", "n": 1, "seed": 7}]}
    )


class EditForm(Painted):
    """What to change; the picture and the mask are files beside it."""


# --- chat ----------------------------------------------------------------------------------------


class TextPart(BaseModel):
    """A piece of text."""

    type: Literal["text"]
    text: str


class RefusalPart(BaseModel):
    """What an assistant said instead of an answer."""

    type: Literal["refusal"]
    refusal: str


class ImageUrl(BaseModel):
    """Where a picture is: a data: URI, a name in the session (`img3`, `sha256:…`), or a link to it."""

    url: str = Field(min_length=1)
    detail: Literal["auto", "low", "high", "original"] | None = None


class ImagePart(BaseModel):
    """A picture."""

    type: Literal["image_url"]
    image_url: ImageUrl


Part = Annotated[TextPart | ImagePart | RefusalPart, Field(discriminator="type")]


class CalledFunction(BaseModel):
    """A function that was called; `arguments` is a JSON object as text."""

    name: Short
    arguments: str


class CallForm(BaseModel):
    """A call that an assistant made."""

    id: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    type: Literal["function"] = "function"
    function: CalledFunction


class MessageForm(BaseModel):
    """One message of a dialogue."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | Annotated[list[Part], Field(max_length=64)] | None = None
    tool_calls: Annotated[list[CallForm], Field(max_length=64)] | None = None
    tool_call_id: Short | None = None


class OfferedFunction(BaseModel):
    """A function that may be called."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
    description: str | None = None
    parameters: dict[str, JsonValue] | None = None
    strict: bool | None = None


class ToolForm(BaseModel):
    """A tool of the caller's."""

    type: Literal["function"]
    function: OfferedFunction


class NamedFunction(BaseModel):
    """The name of a function."""

    name: Short


class NamedTool(BaseModel):
    """The one tool that may be called."""

    type: Literal["function"]
    function: NamedFunction


class JsonSchema(Lenient):
    """A named schema for an answer."""

    name: Short
    schema_: dict[str, JsonValue] = Field(default_factory=dict, alias="schema")


class ResponseFormat(Lenient):
    """The form of an answer."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class StreamOptions(Lenient):
    """How to stream."""

    include_usage: bool | None = False


class ChatForm(Placed):
    """A dialogue to go on with."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"model": "embedded", "messages": [{"role": "user", "content": "draw a red star"}]}]
        }
    )

    model: Short
    messages: list[MessageForm] = Field(min_length=1, max_length=500)
    n: int | None = Field(1, ge=1)
    max_tokens: int | None = Field(None, ge=1, le=8192)
    max_completion_tokens: int | None = Field(None, ge=1, le=8192)
    temperature: float | None = Field(None, ge=0, le=2, description="0, the default, is the likeliest answer")
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: Short | Annotated[list[Short], Field(max_length=4)] | None = None
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    tools: Annotated[list[ToolForm], Field(max_length=128)] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
