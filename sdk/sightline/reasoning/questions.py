"""Questions of several steps as plans, by rules: change the picture as it says, look, compare.

A hypothesis ("if the stars were removed") becomes edits, a part ("in the top row") a
picture of that part alone, a comparison ("more red than blue objects") two counts. What
is left is a question that one look answers. So intermediate pictures are the thoughts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sightline.reasoning import phrases
from sightline.reasoning.plans.plan import Action, Condition, Let, Node, Plan, Repeat, Test

PICTURE = "photo"
"""The plan's input."""

_WERE = r"(?:were|was|are|is|got|had been|has been|have been|became|turned)"
_PLACE = (
    r"(?:to |at |in |into )?(?:the )?(?P<place>(?:top|middle|bottom) (?:left|center|right|middle)|center)"
)
_CONDITIONS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(rf"^(?P<thing>the background) {_WERE} (?:painted |made |changed to )?(?P<look>\w+)$"),
        "change the background to {look}",
    ),
    (
        re.compile(rf"^(?P<thing>.+?) {_WERE} (?:removed|deleted|erased|taken away|gone|not there)$"),
        "remove {thing}",
    ),
    (re.compile(rf"^(?P<thing>.+?) {_WERE} (?:added|put there|drawn)(?: {_PLACE})?$"), "add {thing} {place}"),
    (
        re.compile(rf"^(?P<thing>.+?) {_WERE} (?:added|put) (?P<place>(?:at|in) the .+)$"),
        "add {thing} {place}",
    ),
    (re.compile(rf"^(?P<thing>.+?) {_WERE} (?:moved|put) {_PLACE}$"), "move {thing} to the {place}"),
    (
        re.compile(
            rf"^(?P<thing>.+?) {_WERE} (?:replaced (?:with|by)|turned into|changed into) (?P<look>an? .+)$"
        ),
        "replace {thing} with {look}",
    ),
    (
        re.compile(
            rf"^(?P<thing>.+?) {_WERE} (?:painted |made |turned |colored |changed to )?(?P<look>\w+)$"
        ),
        "make {thing} {look}",
    ),
)
_GERUNDS = {
    "removing": "remove",
    "deleting": "remove",
    "erasing": "remove",
    "adding": "add",
    "painting": "make",
    "making": "make",
    "turning": "make",
    "moving": "move",
    "replacing": "replace",
    "changing": "change",
}
_PAST = {
    "removed": "remove",
    "deleted": "remove",
    "added": "add",
    "painted": "make",
    "made": "make",
    "moved": "move",
    "replaced": "replace",
    "changed": "change",
}
_PARTS = {
    "top row": (0.0, 0.0, 1.0, 1 / 3),
    "middle row": (0.0, 1 / 3, 1.0, 2 / 3),
    "bottom row": (0.0, 2 / 3, 1.0, 1.0),
    "left column": (0.0, 0.0, 1 / 3, 1.0),
    "middle column": (1 / 3, 0.0, 2 / 3, 1.0),
    "right column": (2 / 3, 0.0, 1.0, 1.0),
    "top half": (0.0, 0.0, 1.0, 0.5),
    "bottom half": (0.0, 0.5, 1.0, 1.0),
    "left half": (0.0, 0.0, 0.5, 1.0),
    "right half": (0.5, 0.0, 1.0, 1.0),
}
"""Parts of a picture by name: (left, top, right, bottom), 0 … 1."""
_IN_PART = re.compile(rf"\s*\b(?:in|of|on|at) the ({'|'.join(_PARTS)})(?: of the (?:picture|image))?\b")
_MORE = re.compile(
    r"^(?:are|is) there (?P<how>more|fewer|less|as many) (?P<a>.+?) (?:than|as) (?:there are )?(?P<b>.+)$"
)


@dataclass(frozen=True)
class Asked:
    """A question taken apart: the instructions that come first, and what is asked then."""

    instructions: tuple[str, ...]
    question: str


def taken_apart(text: str) -> Asked:
    """The instructions and the question of a text."""
    whole = phrases.plain(text)
    if not phrases.readable(whole):
        return Asked((), whole)
    for read in (_conditional, _after, _instructed):
        found = read(whole)
        if found is not None:
            return found
    return Asked((), _indicative(whole))


def plan_of(text: str) -> Plan | None:
    """A plan that answers a question about one picture; None if one look is all the rules see in it."""
    asked = taken_apart(text)
    if not phrases.readable(asked.question):
        return None
    steps: list[Node] = [Let(id="now", let=f"${PICTURE}")]
    for number, instruction in enumerate(asked.instructions):
        steps += _change(instruction, number)
    looked = _look(asked.question)
    if not asked.instructions and len(looked) == 1:
        return None
    return Plan(
        goal=text, inputs=(PICTURE,), steps=(*steps, *looked), answer="$answer.text", image="$now.image"
    )


# --- taking apart --------------------------------------------------------------------------------


def _conditional(text: str) -> Asked | None:
    """'would … if …', 'if … , …', 'suppose … ; …'."""
    for pattern in (
        r"^(?:if|suppose|imagine|assuming)(?: that)? (?P<condition>.+?) [,;.] (?P<question>.+)$",
        r"^(?P<question>.+?) ?,? (?:if|suppose|supposing) (?P<condition>.+)$",
    ):
        found = re.match(pattern, text)
        if found:
            instructions = [_imperative(part) for part in _clauses(found["condition"])]
            if all(instructions):
                return Asked(tuple(i for i in instructions if i), _indicative(found["question"]))
    return None


def _after(text: str) -> Asked | None:
    """'… after removing …', 'after removing … , …'."""
    found = re.match(r"^after (?P<change>.+?) , (?P<question>.+)$", text) or re.match(
        r"^(?P<question>.+?) ,? ?(?:after|once|when) (?P<change>.+)$", text
    )
    if found is None:
        return None
    instructions = [_imperative(part) for part in _clauses(found["change"])]
    if not all(instructions):
        return None
    return Asked(tuple(i for i in instructions if i), _indicative(found["question"]))


def _instructed(text: str) -> Asked | None:
    """'remove the star , then make the ring blue . what color is …'."""
    parts = phrases.instructions(text)
    changes, question = [_imperative(part) for part in parts[:-1]], parts[-1]
    split = re.match(r"^(.+) , ((?:what|how|is|are|where|which) .+)$", question)
    if split:
        changes, question = [*changes, _imperative(split[1])], split[2]
    if not changes or not all(changes) or _imperative(question):
        return None
    return Asked(tuple(change for change in changes if change), _indicative(question))


def _clauses(text: str) -> list[str]:
    """The conditions of a text: 'the star were red and the ring were removed'."""
    verb = rf"{_WERE}|{'|'.join(_GERUNDS)}"
    parts = re.split(
        rf"\s*(?:,|,? and(?: then)?|then)\s+(?=(?:the|an?|you|{'|'.join(_GERUNDS)})\b.*?(?:{verb})|"
        rf"(?:{'|'.join(_GERUNDS)}) )",
        text,
    )
    return [part.strip(" ,") for part in parts if part.strip(" ,")]


def _imperative(clause: str) -> str | None:
    """A condition as an instruction: 'the star were removed' → 'remove the star'; None for a question."""
    if re.match(r"^(?:what|how|which|where|who|is|are|does|do|would|will)\b", clause.strip(" ,.")):
        return None
    text = re.sub(r"^(?:you|we|i|one) ", "", clause.strip(" ,."))
    first, _, rest = text.partition(" ")
    if first in ("remove", "add", "make", "move", "replace", "change", "paint", "delete", "turn"):
        return text
    verb = _GERUNDS.get(first) or (_PAST.get(first) if clause != text else None)
    if verb:
        return _turned(verb, rest)
    for pattern, form in _CONDITIONS:
        found = pattern.match(text)
        if found:
            parts = {"look": "", "place": "", **{k: v or "" for k, v in found.groupdict().items()}}
            if form.startswith("add"):
                parts["place"] = _at(parts["place"])
            return " ".join(form.format(**parts).split())
    return None


def _turned(verb: str, rest: str) -> str:
    """'painting the ring red' → 'make the ring red'."""
    return f"{verb} {re.sub(r'^all (of )?', '', rest)}"


def _at(place: str) -> str:
    if not place or place.startswith(("at ", "in ")):
        return place
    return f"in the {place}" if place == "center" else f"at the {place}"


def _indicative(question: str) -> str:
    """A hypothetical question as one about what is there: 'how many would there be' → '… are there'."""
    text = question.strip(" ,.?")
    rules = (
        (r"^(?:would|will) there (?:then |still )?be (an?|any) ", r"is there \1 "),
        (r"^(?:would|will) there (?:then |still )?be ", "are there "),
        (r"\b(?:would|will) there (?:then |still )?be\b", "are there"),
        (r"\b(?:would|will) (?:then |still )?(?:be left|remain|be there)$", "are there"),
        (r"^(?:would|will) (.+?) (?:then |still )?be\b", r"is \1"),
        (r"\b(?:would|will) (.+?) (?:then |still )?be$", r"is \1"),
        (r"\b(?:would|will) (?:then |still )?be\b", "is"),
        (r"\bremain$|\bare left$|\bwould remain$", "are there"),
    )
    for pattern, turned in rules:
        text, done = re.subn(pattern, turned, text)
        if done:
            break
    return text


# --- steps ---------------------------------------------------------------------------------------


def _change(instruction: str, number: int) -> list[Node]:
    """The edit of an instruction; several things of one name are removed one after the other."""
    found = re.match(r"^remove (?:all )?(?:of )?(?:the )?(.+)$", instruction)
    named = phrases.thing(f"some {found[1]}") if found else None
    many = found is not None and named is not None and named.noun != found[1].split()[-1]
    if not many or named is None:
        return [Action(id="now", tool="edit", args={"image": "$now.image", "instruction": instruction})]
    return _removing(" ".join([*named.adjectives, phrases.plural(named.noun)]), named.name, number)


def _removing(names: str, name: str, number: int) -> list[Node]:
    """Count, tell one by its look, remove it, count again."""
    left = f"left{number}"
    count = Action(
        id=left, tool="understand", args={"image": "$now.image", "question": f"how many {names} are there?"}
    )
    noun = name.split()[-1]
    colored = name != noun and noun != "object"
    asked = f"what shape is the {name}?" if noun == "object" else f"what color is the {name}?"
    told = f"look{number}"
    text = (
        f"remove the {name}"
        if colored
        else f"remove the {name.removesuffix('object')}${{{told}.text}}"
        if noun == "object"
        else f"remove the ${{{told}.text}} {name}"
    )
    look = Action(id=told, tool="understand", args={"image": "$now.image", "question": asked})
    remove = Action(id="now", tool="edit", args={"image": "$now.image", "instruction": text})
    inside = (remove, count) if colored else (look, remove, count)
    return [count, Repeat(repeat=inside, as_long_as=Condition(value=f"${left}.number", at_least=1), most=4)]


def _look(question: str) -> list[Node]:
    """The looks that answer a question: one, or two counts and a comparison."""
    found = _MORE.match(question)
    if found is None:
        return _counted(question, "answer")
    a, b = _compared(found["a"], found["b"])
    bound = {"more": ("a", "b"), "fewer": ("b", "a"), "less": ("b", "a")}.get(found["how"])
    condition = (
        Condition(value="$a.number", equals="$b.number")
        if bound is None
        else Condition(value=f"${bound[0]}.number", more_than=f"${bound[1]}.number")
    )
    counts = [*_counted(f"how many {a} are there", "a"), *_counted(f"how many {b} are there", "b")]
    return [*counts, Test(id="answer", test=condition)]


def _compared(a: str, b: str) -> tuple[str, str]:
    """Both sides in full: 'red' and 'blue objects' → 'red objects', 'blue objects'."""
    part = _IN_PART.fullmatch(" " + b) or _IN_PART.fullmatch(b)
    if part:  # "more objects in the top row than in the bottom row"
        return a, _IN_PART.sub("", a).strip() + f" in the {part[1]}"
    noun = b.split()[-1] if not _IN_PART.search(b) else _IN_PART.sub("", b).split()[-1]
    return (a, b) if noun in a.split() or len(a.split()) > 1 or a.endswith("s") else (f"{a} {noun}", b)


def _counted(question: str, name: str) -> list[Node]:
    """One look, at a part of the picture alone if the question is about one."""
    part = _IN_PART.search(question)
    if part is None:
        return [Action(id=name, tool="understand", args={"image": "$now.image", "question": f"{question}?"})]
    bare = " ".join(_IN_PART.sub(" ", question).split())
    if bare.startswith("how many"):
        bare = re.sub(r"(?: are there| are| is)$", "", bare) + " are there"
    view = f"{name}_part"
    return [
        Action(id=view, tool="isolate", args={"image": "$now.image", "box": list(_PARTS[part[1]])}),
        Action(id=name, tool="understand", args={"image": f"${view}.image", "question": f"{bare}?"}),
    ]
