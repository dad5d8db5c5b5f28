"""OpenAI's routes of models: the one that this server has."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel

from sightline.server.access import caller_of
from sightline.server.house import House, house_of
from sightline.server.openai_pictures import check_model

router = APIRouter(tags=["openai"], dependencies=[Depends(caller_of)])


class ModelCard(BaseModel):
    """What the model is and can do, beside OpenAI's fields."""

    family: str
    fingerprint: str
    capabilities: list[str]
    image_size: tuple[int, int]
    max_prompt_tokens: int
    max_images: int


class ModelInfo(BaseModel):
    """A model."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "sightline"
    sightline: ModelCard


class ModelList(BaseModel):
    """All models."""

    object: Literal["list"] = "list"
    data: list[ModelInfo]


@router.get("/v1/models", summary="List the models of this server")
def models(request: Request) -> ModelList:
    """List the models: there is one, which looks, draws and edits."""
    return ModelList(data=[_info(house_of(request))])


@router.get("/v1/models/{model:path}", summary="Look at a model")
def model(request: Request, model: Annotated[str, Path(max_length=200)]) -> ModelInfo:
    """Look at a model; 404 for one that this server has not."""
    check_model(house_of(request), model)
    return _info(house_of(request))


def _info(house: House) -> ModelInfo:
    info = house.runtime.info
    card = ModelCard(
        family=info.family,
        fingerprint=info.fingerprint,
        capabilities=sorted(info.capabilities),
        image_size=info.image_size,
        max_prompt_tokens=info.max_prompt_tokens,
        max_images=info.max_images,
    )
    return ModelInfo(id=info.model, sightline=card)
