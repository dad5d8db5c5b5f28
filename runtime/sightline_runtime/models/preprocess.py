"""Pictures as the EVA-CLIP tower was trained to see them.

The shorter side becomes `side` pixels (bicubic with antialiasing, as Pillow does it),
then the middle square is cut out. Mean and spread are the tower's own business.
"""

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor


def eva_pixels(pixels: npt.NDArray[np.uint8], side: int) -> Float[Tensor, "one three side side"]:
    """A picture (height, width, 3) of any size → (1, 3, side, side) in 0 … 1."""
    height, width = pixels.shape[:2]
    shorter = min(height, width)
    # the longer side is cut down to whole pixels, as the published pipeline (torchvision) does it
    size = (int(side * width / shorter), int(side * height / shorter))
    picture = Image.fromarray(pixels)
    if size != picture.size:
        picture = picture.resize(size, Image.Resampling.BICUBIC)
    left, top = round((size[0] - side) / 2), round((size[1] - side) / 2)
    square = np.asarray(picture)[top : top + side, left : left + side]
    return torch.from_numpy(square.copy()).permute(2, 0, 1).float().div(255).unsqueeze(0)
