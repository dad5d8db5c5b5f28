"""How alike two pictures are to the eye: SSIM, the structural similarity of Wang et al.

"Image Quality Assessment: From Error Visibility to Structural Similarity", IEEE
Transactions on Image Processing 13(4), 2004. Constants and window are the paper's.

Letters: h, w the size of a picture, c its channels, k the taps of the window.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from sightline_runtime.errors import InputError

_WINDOW, _SIGMA = 11, 1.5  # section III B of the paper
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2  # K1 = 0.01, K2 = 0.03, eight bits a channel
_BAND = 256
"""Rows of the result made at a time: a picture of 40 million pixels then takes megabytes, not gigabytes."""

Pixels = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float64]


def ssim(a: Pixels, b: Pixels) -> float:
    """The mean structural similarity of two (h, w, c) uint8 arrays of one size.

    1.0 for identical pictures, near 0 for unrelated ones, below 0 for
    negatives; channels count alike. Where a side has fewer than 11 pixels the window is
    as large as fits. InputError for other types, for unequal sizes, and for no pixels.
    """
    _check(a, b)
    taps = _taps(min(_WINDOW, *a.shape[:2]))
    total = count = 0.0
    for channel in range(a.shape[2]):
        for band in _bands(a.shape[0], len(taps)):
            alike = _map(a[band, :, channel].astype(float), b[band, :, channel].astype(float), taps)
            total, count = total + float(alike.sum()), count + alike.size
    return total / count


def _check(a: Pixels, b: Pixels) -> None:
    if a.dtype != np.uint8 or b.dtype != np.uint8 or a.ndim != 3 or a.size == 0:
        raise InputError(
            f"pictures of {a.dtype} {a.shape} and {b.dtype} {b.shape} cannot be compared",
            hint="give (height, width, channels) uint8 arrays",
        )
    if a.shape != b.shape:
        raise InputError(
            f"the pictures are {a.shape} and {b.shape}", hint="compare pictures of one size and mode"
        )


def _taps(fits: int) -> Plane:
    """A Gaussian of the largest odd width that fits; its sum is 1."""
    width = fits if fits % 2 else fits - 1
    places = np.arange(width) - width // 2
    weights = np.exp(-(places**2) / (2 * _SIGMA**2))
    return np.asarray(weights / weights.sum())


def _bands(height: int, taps: int) -> Iterator[slice]:
    """The rows that each band of the result is made from."""
    rows = height - taps + 1
    for top in range(0, rows, _BAND):
        yield slice(top, min(top + _BAND, rows) + taps - 1)


def _map(x: Plane, y: Plane, taps: Plane) -> Plane:
    """SSIM at every place where the window lies inside (h, w): (h - k + 1, w - k + 1)."""
    mean_x, mean_y = _blurred(x, taps), _blurred(y, taps)
    # a variance is never negative; the difference of two sums may be, by rounding
    var_x = np.maximum(_blurred(x * x, taps) - mean_x**2, 0)
    var_y = np.maximum(_blurred(y * y, taps) - mean_y**2, 0)
    both = _blurred(x * y, taps) - mean_x * mean_y
    light = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    return np.asarray(light * (2 * both + _C2) / (var_x + var_y + _C2))


def _blurred(plane: Plane, taps: Plane) -> Plane:
    """The window's weighted means, one axis after the other, where it fits whole."""
    for axis in (0, 1):
        length = plane.shape[axis] - len(taps) + 1
        parts = [tap * np.take(plane, range(i, i + length), axis) for i, tap in enumerate(taps)]
        plane = np.asarray(np.sum(parts, axis=0))
    return plane
