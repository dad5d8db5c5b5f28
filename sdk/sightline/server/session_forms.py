"""Forms of the sessions API: what clients send and get. Pictures are named, never sent along."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

SessionName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
RefText = Annotated[str, StringConstraints(min_length=1, max_length=200)]
"""What names a branch, tag or step: `main`, `HEAD~2`, `@tag`, `img3`, `sha256:…`, or an id."""
Seed = Annotated[int, Field(ge=0, lt=2**63)]
"""JSON numbers are exact in every language up to 2**53 - 1; decimal digits in a text always."""

_STEP = "5be0c1a7d4e9f2036a8b7c5d1e4f90a2b3c4d5e6f708192a3b4c5d6e7f809123"
_PIXELS = "0f3a7c5e9b1d2f4680a2c4e6f8091b3d5f7092a4c6e8f01b3d5f7a9c0e2f4681"


class Sent(BaseModel):
    """The base of what clients send: unknown names are refused."""

    model_config = ConfigDict(extra="forbid")


class NewSession(Sent):
    """A session to make."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "cats", "seed": 7}]})

    name: SessionName
    seed: Seed | None = Field(None, description="makes the session reproducible")


class NewRef(Sent):
    """A branch or tag to make."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "try-blue", "at": "main~1"}]})

    name: RefText
    at: RefText = Field("HEAD", description="the step it is to stand at")


class Switch(Sent):
    """The branch to check out."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"branch": "try-blue"}]})

    branch: RefText


class Steps(Sent):
    """How far to move a branch."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"n": 1, "branch": "main"}]})

    n: int = Field(1, ge=1, le=10_000)
    branch: RefText | None = Field(None, description="the current branch by default")
    expect: RefText | None = Field(None, description="the step at which you believe the branch to stand")


class ToolCall(Sent):
    """A tool call: arguments as the tool's schema says, pictures by name.

    A picture is `img3`, `sha256:…` or `last`, the newest on the branch.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"arguments": {"prompt": "a red circle"}, "seed": 7, "at": "main"}]}
    )

    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    seed: Seed | None = Field(None, description="of the first picture; chosen by the session if left out")
    at: RefText | None = Field(
        None,
        description="the branch it goes on, or a step: the branch that ends there, or a new one from it",
    )
    expect: RefText | None = Field(
        None, description="the step at which you believe the branch to stand; 409 if it does not"
    )


class ImageInfo(BaseModel):
    """A picture: its short name in the session, the digest of its pixels, and where its file is."""

    alias: str | None = Field(examples=["img1"])
    digest: str = Field(examples=[f"sha256:{_PIXELS}"])
    width: int = Field(examples=[64])
    height: int = Field(examples=[64])
    media_type: str = Field(examples=["image/png"])
    url: str = Field(examples=[f"/v1/artifacts/{_PIXELS}"])


class StepInfo(BaseModel):
    """One recorded step. Pictures among arguments and values are `sha256:…`; times are Unix seconds."""

    id: str = Field(examples=[_STEP])
    tool: str = Field(examples=["generate"])
    version: str = Field(examples=["1"])
    status: Literal["done", "failed", "cancelled"] = Field(examples=["done"])
    arguments: dict[str, JsonValue] = Field(examples=[{"prompt": "a red circle"}])
    seeds: list[str] = Field(description="one a picture, as decimal digits", examples=[["7"]])
    images: list[ImageInfo]
    values: dict[str, JsonValue] = Field(description="all else that the tool gave", examples=[{}])
    error: dict[str, JsonValue] | None = Field(description="of a step that failed", examples=[None])
    usage: dict[str, float] = Field(examples=[{"diffusion_steps": 8.0, "seconds": 0.2}])
    parent: str | None = Field(description="the step before it on its branch", examples=[None])
    data_parents: list[str] = Field(description="the steps whose pictures it read", examples=[[]])
    fingerprint: str = Field(description="of the model; empty for tools that use none")
    recipe: str = Field(description="digest of all that its result follows from")
    started: float = Field(examples=[1700000000.0])
    ended: float = Field(examples=[1700000000.2])


class CacheInfo(BaseModel):
    """How much of a call had been computed before, and why."""

    status: Literal["hit", "partial", "miss"]
    why: str


class Answer(BaseModel):
    """What a call gave: its step, and the branch that the step is on."""

    session: str = Field(examples=["cats"])
    branch: str = Field(examples=["main"])
    cache: CacheInfo = Field(examples=[{"status": "miss", "why": ""}])
    step: StepInfo


class Counts(BaseModel):
    """How much a session holds."""

    steps: int = Field(examples=[3])
    images: int = Field(examples=[2])


class HeadInfo(BaseModel):
    """The current branch and its step."""

    branch: str = Field(examples=["main"])
    step: str | None = Field(examples=[_STEP])


class SessionInfo(BaseModel):
    """A session: where its branches and tags stand."""

    name: str = Field(examples=["cats"])
    seed: str = Field(examples=["7"])
    head: HeadInfo
    branches: dict[str, str | None] = Field(examples=[{"main": _STEP}])
    tags: dict[str, str | None] = Field(examples=[{"good": _STEP}])
    counts: Counts


class SessionList(BaseModel):
    """The sessions of a tenant, sorted."""

    sessions: list[str] = Field(examples=[["cats", "dogs"]])


class StepList(BaseModel):
    """Steps, newest first."""

    steps: list[StepInfo]


class NodeInfo(BaseModel):
    """One step of a tree, and the branches and tags that stand at it."""

    id: str = Field(examples=[_STEP])
    tool: str = Field(examples=["generate"])
    summary: str = Field(examples=["a red circle"])
    parent: str | None
    data_parents: list[str]
    images: list[ImageInfo]
    branches: list[str] = Field(examples=[["main"]])
    tags: list[str]


class TreeInfo(BaseModel):
    """All branches of a session as one tree: each step after its parent."""

    head: HeadInfo
    branches: dict[str, str | None]
    tags: dict[str, str | None]
    nodes: list[NodeInfo]
    text: str = Field(description="the tree drawn in text", examples=["● 5be0c1a7  generate  a red circle"])


class RefInfo(BaseModel):
    """A branch or tag and the step it stands at."""

    name: str = Field(examples=["try-blue"])
    step: str | None = Field(examples=[_STEP])


class ToolInfo(BaseModel):
    """A tool: what it does, and the JSON schema of its arguments, in which pictures are names."""

    name: str = Field(examples=["generate"])
    version: str = Field(examples=["1"])
    description: str = Field(examples=["Draw pictures of a prompt."])
    uses_model: bool
    takes_seed: bool
    arguments: dict[str, JsonValue] = Field(examples=[{"type": "object", "properties": {}}])


class ToolList(BaseModel):
    """The tools of a server."""

    tools: list[ToolInfo]
