"""Second judges: models that share no weights with the one that drew, and read a claim as a whole.

`ClipJudge` compares a picture with the claim and with foils of it (Radford et al. 2021 for
the comparison): the same words with another colour, number or relation, or with the
colours of two things exchanged. What CLIP cannot tell, such as a denial, it refuses.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np
import numpy.typing as npt
from PIL import Image as PILImage
from safetensors import SafetensorError

from sightline.errors import InputError, ModelError
from sightline.reasoning import phrases
from sightline.reasoning.phrases import COLORS, NUMBERS

if TYPE_CHECKING:
    from collections.abc import Callable

Pixels = npt.NDArray[np.uint8]

_OPPOSITE = {"left of": "right of", "above": "below", "in front of": "behind", "on top of": "under"}
_OPPOSITES = _OPPOSITE | {after: before for before, after in _OPPOSITE.items()}
_WORDS = re.compile(rf"\b(?:{'|'.join([*COLORS, *NUMBERS[1:], *_OPPOSITES])})\b")
_OTHERS = ("something else", "nothing in particular")
"""What a claim without colour, number and relation is compared with."""
_MOST = 16
"""Foils that a claim is compared with at most."""


def foils(claim: str) -> tuple[str, ...]:
    """Near misses of a claim, by rules: one word of it is another, or two colours change places."""
    text = phrases.plain(claim)
    made = dict.fromkeys(islice(_changed(text), 4 * _MOST)) if phrases.readable(text) else {}
    made.pop(text, None)
    others = tuple(other for other in _OTHERS if other not in (text, claim))
    return tuple(islice(made, _MOST)) or others


def _changed(text: str) -> Iterator[str]:
    found = list(_WORDS.finditer(text))
    colors = [match for match in found if match[0] in COLORS]
    for a, b in pairwise(colors):
        if a[0] != b[0]:
            yield text[: a.start()] + b[0] + text[a.end() : b.start()] + a[0] + text[b.end() :]
    for match in found:
        for other in _instead(match[0]):
            yield text[: match.start()] + other + text[match.end() :]


def _instead(word: str) -> Sequence[str]:
    """What could stand in the place of a word: the opposite, a neighbouring number, three other colours."""
    if word in _OPPOSITES:
        return (_OPPOSITES[word],)
    if word in NUMBERS:
        n = NUMBERS.index(word)
        return tuple(NUMBERS[i] for i in (n - 1, n + 1) if 1 < i < len(NUMBERS))
    return [color for color in COLORS[:8] if color != word][:3]


class _Tensor(Protocol):
    def __getitem__(self, index: object) -> _Tensor: ...
    def numpy(self) -> npt.NDArray[np.float32]: ...


class _Clip(Protocol):
    """What is used of an open_clip model."""

    def encode_image(self, image: _Tensor, normalize: bool) -> _Tensor: ...
    def encode_text(self, text: _Tensor, normalize: bool) -> _Tensor: ...


@dataclass(frozen=True)
class _Loaded:
    model: _Clip
    scale: float
    prepare: Callable[[PILImage.Image], _Tensor]
    tokens: Callable[[list[str]], _Tensor]


@dataclass
class ClipJudge:
    """A judge over open_clip (extra `local`), loaded at its first use from files of this machine.

    `model` is an architecture of open_clip, such as "ViT-B-32", with `checkpoint` its
    `.safetensors` file; or `checkpoint` is a folder with `open_clip_config.json`, weights
    and tokenizer, and `model` what the judge is called. Nothing is downloaded.
    """

    model: str
    checkpoint: Path | str
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)
    _clip: _Loaded | None = field(default=None, repr=False, compare=False)

    @property
    def name(self) -> str:
        """What the judge is called in a verdict."""
        return f"clip {self.model}"

    def probability(self, pixels: Pixels, claim: str) -> float:
        """P(the picture shows the claim), 0 … 1, one half where it fits as well as a foil of it.

        The softmax of the similarities over the claim and its foils, with the claim as likely
        beforehand as all its foils. InputError for a denial; ModelError for files that do not load.
        """
        if not phrases.plain(claim):
            raise InputError("the claim is empty", hint="say what the picture should show")
        if phrases.denies(claim):
            raise InputError("CLIP does not read denials", hint="claim what is there")
        texts = [phrases.plain(claim), *foils(claim)]
        likes = self._similar(pixels, [f"a picture of {text}" for text in texts])
        shares = np.exp(likes - likes.max())
        return float(shares[0] / (shares[0] + shares[1:].mean()))

    def _similar(self, pixels: Pixels, texts: list[str]) -> npt.NDArray[np.float64]:
        """The scaled similarities of a picture and texts: (texts,)."""
        clip = self._loaded()
        picture = clip.prepare(PILImage.fromarray(pixels))[None]
        seen = clip.model.encode_image(picture, normalize=True).numpy()[0].astype(np.float64)
        said = clip.model.encode_text(clip.tokens(texts), normalize=True).numpy().astype(np.float64)
        return np.asarray(clip.scale * (said @ seen))

    def _loaded(self) -> _Loaded:
        with self._lock:
            if self._clip is None:
                self._clip = _load(self.model, Path(self.checkpoint))
            return self._clip


def _load(model: str, checkpoint: Path) -> _Loaded:
    """Load a model from a file or a folder; ModelError where it does not load."""
    try:
        open_clip = import_module("open_clip")
    except ImportError as error:
        raise ModelError("open_clip is not installed", hint="pip install 'sightline[local]'") from error
    folder = checkpoint.is_dir()
    weights = next(checkpoint.glob("*.safetensors"), checkpoint) if folder else checkpoint
    if not (weights.is_file() and weights.suffix == ".safetensors"):
        raise ModelError(
            f"{checkpoint.name!r} is no safetensors file and no folder with one", hint="name one"
        )
    if not folder and (":" in model or "hf_tokenizer_name" in str(open_clip.get_model_config(model))):
        raise ModelError(
            f"{model!r} needs more files than its weights", hint="give a folder with all of them"
        )
    name = f"local-dir:{checkpoint}" if folder else model
    try:
        clip, _, prepare = open_clip.create_model_and_transforms(
            name, pretrained=None if folder else str(checkpoint), pretrained_text=False
        )
        tokens = open_clip.get_tokenizer(name)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise ModelError(
            f"the weights of {model!r} do not load: {type(error).__name__}", hint="see `model`"
        ) from error
    clip.eval().requires_grad_(False)
    return _Loaded(cast(_Clip, clip), float(clip.logit_scale.exp()), prepare, tokens)
