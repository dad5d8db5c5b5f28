"""A tool of one's own: typed, recorded, replayed like the built-in ones."""

import numpy as np

import sightline as sl
from sightline_tools.tool import Picture, ToolArgs
from sightline_tools.toolbox import default_toolbox


class MirrorArgs(ToolArgs):
    """The picture to mirror."""

    image: sl.Image


@sl.tool(version="1")
def mirror(args: MirrorArgs, ctx: sl.ToolContext) -> Picture:
    """Mirror a picture left to right."""
    return Picture(image=ctx.save(np.ascontiguousarray(ctx.load(args.image)[:, ::-1])))


def main() -> tuple[str, str]:
    """Ask where an object is before and after mirroring."""
    with sl.Session(seed=5, toolbox=default_toolbox().with_tools(mirror)) as s:
        picture = s.generate("a large red star at the top left on a white background")
        mirrored = s.call("mirror", image=picture)
        question = "where is the red star ?"
        return s.understand(picture, question).text, s.understand(mirrored, question).text


if __name__ == "__main__":
    print("{}, mirrored: {}".format(*main()))
