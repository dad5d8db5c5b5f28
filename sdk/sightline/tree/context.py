"""What a running tool is given; the pictures it makes stay in memory until its step is committed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sightline.tree import cancelling
from sightline.tree.past import Past
from sightline.tree.stages import Stages
from sightline_runtime.protocol import Event, Job, R, Runtime
from sightline_tools import image as images
from sightline_tools.image import Image

Watch = Callable[[Event], None]
Array = npt.NDArray[np.uint8]


@dataclass
class Context:
    """Runtime, seeds, and the door to pictures.

    `stored` reads a picture of the session, `new` holds pictures that are not yet
    in it, by pixel digest: those the call brought along and those it makes. A runtime that
    keeps features is also `stages`. `past` gives the dialogue to a tool that reads it.
    """

    runtime: Runtime
    seeds: tuple[int, ...]
    stored: Callable[[Image], Array]
    watch: Watch | None = None
    new: dict[str, tuple[Image, bytes]] = field(default_factory=dict)
    past: Callable[[], Past] | None = None

    @property
    def stages(self) -> Stages | None:
        """The runtime, if it is one that keeps features."""
        return self.runtime if isinstance(self.runtime, Stages) else None

    def load(self, image: Image) -> Array:
        """The pixels of a picture: (height, width, 3 or 4) uint8."""
        held = self.new.get(image.pixels)
        return self.stored(image) if held is None else images.decode_png(held[1])

    def save(self, pixels: Array) -> Image:
        """Keep a picture and give its value."""
        ref, png = images.describe(pixels)
        self.new[ref.pixels] = (ref, png)
        return ref

    def follow(self, job: Job[R]) -> R:
        """Pass a job's events on and give its result; leaving early, for whatever reason, cancels the job."""
        try:
            with cancelling.current().covering(job):
                for event in job:
                    if self.watch is not None:
                        self.watch(event)
                return job.result()
        except BaseException:
            job.cancel()
            raise
