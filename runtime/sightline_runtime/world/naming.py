"""Names of things in a dialogue: 'red star', 'large object', 'green stars'.

A name keeps the attributes that were said, so that it can follow the thing
through edits: after 'make the red star blue' the red star is the blue star.
"""

from dataclasses import dataclass, replace

from sightline_runtime.world.language import place, plural
from sightline_runtime.world.scenes import Scene, SceneSampler, Thing

ANYTHING = "object"
"""The noun that fits every shape."""


@dataclass(frozen=True)
class Name:
    """What a thing, or a group of equal ones, is called; None is what was not said."""

    noun: str
    color: str | None = None
    size: str | None = None
    cell: int | None = None
    many: bool = False

    @property
    def text(self) -> str:
        """The words, without an article."""
        noun = plural(self.noun) if self.many else self.noun
        words = [word for word in (self.size, self.color, noun) if word]
        return " ".join([*words, place(self.cell)] if self.cell is not None else words)

    def fits(self, thing: Thing) -> bool:
        """Whether the name is true of a thing."""
        wanted = (self.color, self.size, self.cell, None if self.noun == ANYTHING else self.noun)
        found = (thing.color, thing.size, thing.cell, thing.shape)
        return all(w is None or w == f for w, f in zip(wanted, found, strict=True))

    def among(self, scene: Scene) -> list[Thing]:
        """The things that it names."""
        return [thing for thing in scene.things if self.fits(thing)]

    def single(self, scene: Scene) -> bool:
        """Whether it is a name of one thing and of no other."""
        return not self.many and len(self.among(scene)) == 1

    def plain(self) -> "Name":
        """As one goes on to call what was introduced: colour and noun."""
        return replace(self, size=None, cell=None)

    def one(self) -> "Name":
        """The name of one of a group."""
        return replace(self, many=False)

    def after(self, attribute: str, value: str | int) -> "Name":
        """The name once an attribute has changed: only what was said of it is said anew."""
        said = getattr(self, "noun" if attribute == "shape" else attribute)
        if said is None or said == ANYTHING:
            return self
        changed = {"noun" if attribute == "shape" else attribute: value}
        return replace(self, **changed)  # type: ignore[arg-type]


def some_name(world: SceneSampler, scene: Scene) -> Name:
    """A name that fits one thing of the scene and no other, mostly a short one."""
    thing = scene.things[int(world.rng.integers(len(scene.things)))]
    options = [
        Name(thing.shape),
        Name(thing.shape),
        Name(thing.shape, thing.color),
        Name(thing.shape, thing.color),
        Name(ANYTHING, thing.color),
        Name(thing.shape, None, thing.size),
        Name(ANYTHING, None, thing.size),
        Name(ANYTHING, None, None, thing.cell),
    ]
    fitting = [name for name in options if name.single(scene)]
    return fitting[int(world.rng.integers(len(fitting)))]
