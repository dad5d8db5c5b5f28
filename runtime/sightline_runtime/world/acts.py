"""What can be asked of the tools, as data: questions, edits and prompts that say all they mean.

An act knows its words in the world's own language, and what comes of it in a
scene: an answer, or the scene after. A dialogue is acts, said more shortly.
"""

from dataclasses import dataclass, replace

from sightline_runtime.world.language import (
    NUMBERS,
    article,
    joined,
    phrase,
    place,
    plural,
    related,
)
from sightline_runtime.world.naming import ANYTHING, Name
from sightline_runtime.world.scenes import CELLS, Scene, SceneSampler, Thing

# --- questions -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ask:
    """A question of a kind about a name; `value` is what is claimed, `other` what it is related to.

    Kinds: count, color, shape, size, place, exists, claim, relation, at (a cell), background.
    """

    kind: str
    name: Name | None = None
    value: str | int = ""
    other: Name | None = None

    @property
    def text(self) -> str:
        """The question in full."""
        name = self.name.text if self.name else ""
        told = place(self.value) if isinstance(self.value, int) else self.value
        return {
            "count": f"how many {name} are there ?",
            "color": f"what color is the {name} ?",
            "shape": f"what shape is the {name} ?",
            "size": f"how big is the {name} ?",
            "place": f"where is the {name} ?",
            "exists": f"is there {article(name or 'a')} ?",
            "claim": f"is the {name} {told} ?",
            "relation": f"is the {name} {told} the {self.other.text if self.other else ''} ?",
            "at": f"what is {told} ?",
            "background": "what color is the background ?",
        }[self.kind]

    def answer(self, scene: Scene) -> str | None:
        """The true answer; None where the question makes no sense."""
        if self.kind == "background":
            return scene.background
        if self.name is None:
            there = [phrase(thing) for thing in scene.things if thing.cell == self.value]
            return there[0] if there else "nothing"
        found = self.name.among(scene)
        if self.kind == "count":
            return NUMBERS[len(found)]
        if self.kind == "exists":
            return "yes" if found else "no"
        return self._told(found[0], scene) if self.name.single(scene) else None

    def _told(self, thing: Thing, scene: Scene) -> str | None:
        if self.kind == "claim":
            return "yes" if self.value in (thing.color, thing.size, thing.cell) else "no"
        if self.kind == "relation":
            if self.other is None or not self.other.single(scene):
                return None
            return "yes" if related(thing, self.other.among(scene)[0], str(self.value)) else "no"
        return {"color": thing.color, "shape": thing.shape, "size": thing.size, "place": place(thing.cell)}[
            self.kind
        ]


# --- edits ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """An edit of a kind; `each` says which of the things named: "the" one, "one" of several, or "all".

    Kinds: color, size, shape, cell (`value` is the new one), remove, add (the name is new), background.
    """

    kind: str
    name: Name | None = None
    value: str | int = ""
    each: str = "the"

    @property
    def text(self) -> str:
        """The instruction in full."""
        name = "" if self.name is None else f"{'one' if self.each == 'one' else 'the'} {self.name.text}"
        if self.kind == "cell":
            return f"move {name} {self.told}"
        if self.kind == "shape":
            return f"replace {name} with {self.told}"
        return {
            "color": f"make {name} {self.value}",
            "size": f"make {name} {self.value}",
            "remove": f"remove {name}",
            "add": f"add {article(self.name.text)}" if self.name else "",
            "background": f"make the background {self.value}",
        }[self.kind]

    @property
    def told(self) -> str:
        """The new value as it is said: 'red', 'a heart', 'hearts', 'to the center'."""
        if isinstance(self.value, int):
            return f"to the {CELLS[self.value]}"
        if self.kind == "shape":
            return plural(self.value) if self.each == "all" else article(self.value)
        return self.value

    def apply(self, world: SceneSampler, scene: Scene) -> Scene | None:
        """The scene after it, one of those that would be right; None where it cannot be done.

        It cannot where it names nothing, or what is so already, and where it would leave nothing,
        or stand on something.
        """
        if self.kind == "background":
            return None if scene.background == self.value else replace(scene, background=str(self.value))
        if self.kind == "add" and self.name is not None:
            return self._added(world, scene, self.name)
        options = self.outcomes(world, scene)
        return options[int(world.rng.integers(len(options)))] if options else None

    def outcomes(self, world: SceneSampler, scene: Scene) -> list[Scene]:
        """All scenes that are right after an edit of things that are there."""
        if self.kind == "cell" and self.value not in scene.free_cells():
            return []
        found = [
            self._without(scene, meant) or self._with(world, scene, meant) for meant in self._meant(scene)
        ]
        return [after for after in found if after is not None and world.allows(after)]

    def _meant(self, scene: Scene) -> list[list[Thing]]:
        """Which things may be meant."""
        found = self.name.among(scene) if self.name else []
        if self.each == "the":
            return [found] if len(found) == 1 else []
        if len(found) < 2:
            return []
        return [found] if self.each == "all" else [[thing] for thing in found]

    def _without(self, scene: Scene, meant: list[Thing]) -> Scene | None:
        if self.kind != "remove" or len(meant) == len(scene.things):
            return None
        return replace(scene, things=tuple(thing for thing in scene.things if thing not in meant))

    def _with(self, world: SceneSampler, scene: Scene, meant: list[Thing]) -> Scene | None:
        if self.kind == "remove" or any(getattr(thing, self.kind) == self.value for thing in meant):
            return None
        for thing in meant:
            scene = scene.swapped(thing, self._changed(world, thing))
        return scene

    def _changed(self, world: SceneSampler, thing: Thing) -> Thing:
        size = str(self.value) if self.kind == "size" else thing.size
        dx, dy = world.jittered(size) if self.kind in ("size", "cell") else (thing.dx, thing.dy)
        return replace(thing, **{self.kind: self.value}, dx=dx, dy=dy)  # type: ignore[arg-type]

    def _added(self, world: SceneSampler, scene: Scene, name: Name) -> Scene | None:
        free = scene.free_cells()
        if len(scene.things) > 3 or (name.cell is not None and name.cell not in free):
            return None
        cell = free[int(world.rng.integers(len(free)))] if name.cell is None else name.cell
        shape = None if name.noun == ANYTHING else name.noun
        after = replace(
            scene, things=(*scene.things, world.thing(cell, shape=shape, color=name.color, size=name.size))
        )
        return after if world.allows(after) else None


# --- prompts -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """So many things of a name."""

    count: int
    name: Name

    @property
    def text(self) -> str:
        """'a red star', 'two red stars'."""
        if self.count == 1:
            return article(self.name.one().text)
        return f"{NUMBERS[self.count]} {replace(self.name, many=True).text}"


@dataclass(frozen=True)
class Draw:
    """A prompt: its parts, the relation between two of them if it is said, a background if it is said."""

    parts: tuple[Part, ...]
    relation: str = ""
    background: str = ""

    @property
    def text(self) -> str:
        """The prompt in full."""
        said = [part.text for part in self.parts]
        whole = f"{said[0]} {self.relation} {said[1]}" if self.relation else joined(said)
        return whole + (f" on a {self.background} background" if self.background else "")

    def scene(self, world: SceneSampler) -> Scene | None:
        """A scene that satisfies it; None where this draw finds none."""
        cells = self._cells(world)
        names = [part.name for part in self.parts for _ in range(part.count)]
        things = [
            world.thing(cell, shape=name.noun, color=name.color, size=name.size)
            for name, cell in zip(names, cells, strict=False)
        ]
        if self.relation and not related(things[0], things[1], self.relation):
            return None
        scene = Scene(self.background or world.choice(["white", "black", "gray", "brown"]), tuple(things))
        return scene if world.allows(scene) else None

    def _cells(self, world: SceneSampler) -> list[int]:
        said = [part.name.cell for part in self.parts for _ in range(part.count)]
        free = iter(int(cell) for cell in world.rng.permutation(9) if int(cell) not in said)
        return [next(free) if cell is None else cell for cell in said]


Act = Ask | Change | Draw
