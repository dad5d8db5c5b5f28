"""What verbs take: whatever stands for a picture, a step, or a part of a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image as PILImage

from sightline.results import Picture, Result
from sightline.tree.steps import Step
from sightline_tools.image import Image
from sightline_tools.region import Region

if TYPE_CHECKING:
    pass

ImageLike = Picture | Result | Image | Step | str | Path | bytes | PILImage.Image | npt.NDArray[np.uint8]
"""Whatever a verb takes as a picture: one of the session, also by name (`img3`, `sha256:…`), or a new
one (a file, bytes, an array), which is added first."""

Ref = Result | Step | str
"""Whatever names a step: a result, a step, or a text such as `HEAD`, `main`, `alt~2`, `@tag`, `img3`,
`sha256:…`, or the beginning of an id."""

Box = tuple[float, float, float, float]
"""(left, top, right, bottom), in parts of the picture (all ≤ 1) or in pixels."""

RegionLike = Region | Box | Sequence[tuple[float, float]] | ImageLike
"""A part of a picture: a box, the corners of a polygon, or a mask picture, white where to change."""
