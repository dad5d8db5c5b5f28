"""Lines that lean on the dialogue, made whole by rules: for models that read their last line alone.

Only what people say most is known: "and now ?", "make it red", "what about the ring ?", "no ,
blue", "and the ring too", "again". All else stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sightline.chat.acts import Act, act_of
from sightline_runtime.protocol import Message

_LEAD = re.compile(r"^(?:(?:please|ok|okay|and then|then|and now|now|no|just|and) ,? ?)+|(?: please| now)+$")
_COLOR = r"(?:red|green|blue|yellow|orange|purple|pink|cyan|black|white|gray|brown)"
_ASKED_AGAIN = re.compile(r"(?:and |what about |how about )*now|how many(?: are there)? now")
_ABOUT = re.compile(r"(?:and what about|what about|how about|and) (?:(?P<word>the|an?) )?(?P<thing>.+)")
_SAME = re.compile(
    r"(?:do )?(?:the same|that) (?:with|for|to) the (?P<a>.+?)(?: too)?"
    r"|(?:and |also )?the (?P<b>.+?) too|(?:and|also) the (?P<c>.+)"
)
_INSTEAD = re.compile(rf"(?:better )?(?P<value>{_COLOR})(?: instead)?")
_PRONOUN = re.compile(
    r"\b(?:one of them|all of them|them all|that one|the other one|the other|it|that|them|both|one)\b"
)
_ACTS_ON = re.compile(
    r"^(?:make|change|turn|paint|remove|take|move|put|replace|delete|what|which|where|how big|is) "
)
_ONCE_MORE = re.compile(
    r"(?:draw (?:it|that) )?(?:again|once more|the same(?: again)?)(?: but)?"
    rf"(?: (?:on|with) an? (?P<ground>\w+) background)?(?: in (?P<color>{_COLOR}))?"
)
_ANOTHER = re.compile(r"(?:and |add )(?:another(?: one)?|one more)")
_THING = re.compile(r"\b(?:the|one|all) (?P<thing>.+?)(?= (?:[a-z]+|with .+|to .+|at .+|in .+)$|$| \?)")


@dataclass
class _Memory:
    """What was asked, changed and drawn last, which of these was the last of all, and what `it` is."""

    asked: str = ""
    changed: str = ""
    drawn: str = ""
    last: str = ""
    thing: str = ""

    def take(self, act: Act) -> None:
        self.last = act.name
        if act.name == "generate":
            self.drawn = act.text
            words = re.sub(r" on an? \w+ background$", "", act.text).split()
            alone = len(words) < 5 and "and" not in words
            self.thing = " ".join(words[1:]) if alone and words else ""
        elif act.name == "edit":
            self.changed = act.text
            self.thing = _after(act.text) or self.thing
        elif act.name == "understand":
            self.asked = act.text
            self.thing = _asked_of(act.text) or self.thing


def whole_line(told: Sequence[Message]) -> str:
    """The last line of a transcript with what it leaves open."""
    memory = _Memory()
    for message in told:
        act = act_of(message.text) if message.role == "assistant" else None
        if act is not None:
            memory.take(act)
    line = next((message.text for message in reversed(told) if message.role == "user"), "")
    plain = " ".join(re.sub(r"([,?.!])", r" \1 ", line.lower()).split()).rstrip(" ?.!")
    return _whole(plain, memory) or _whole(_LEAD.sub("", plain).strip(), memory) or line


def _whole(line: str, memory: _Memory) -> str | None:
    for read in (_again_asked, _instead, _same, _about, _once_more, _another, _pronoun):
        found = read(line, memory)
        if found:
            return found
    return None


def _again_asked(line: str, memory: _Memory) -> str | None:
    return memory.asked if _ASKED_AGAIN.fullmatch(line) else None


def _instead(line: str, memory: _Memory) -> str | None:
    found = _INSTEAD.fullmatch(line)
    if found is None or memory.last != "edit":
        return None
    return re.sub(rf"{_COLOR}$", found["value"], memory.changed)


def _same(line: str, memory: _Memory) -> str | None:
    found = _SAME.fullmatch(line)
    thing = next((each for each in found.groups() if each), "") if found else ""
    if not thing or memory.last != "edit":
        return None
    return _THING.sub(f"the {thing}", memory.changed, count=1)


def _about(line: str, memory: _Memory) -> str | None:
    found = _ABOUT.fullmatch(line)
    if found is None or not memory.asked:
        return None
    thing, asked = found["thing"], memory.asked
    if thing == "background":
        return "what color is the background ?"
    if asked.startswith("how many"):
        old = _asked_of(asked)
        noun = old.split()[-1] if old else "objects"
        colored = thing.removesuffix(" ones")
        return f"how many {colored + ' ' + noun if re.fullmatch(_COLOR, colored) else thing} are there ?"
    if asked.startswith("is there"):
        return f"is there {found['word'] or 'a'} {thing} ?"
    return re.sub(r"\bthe .+? \?$", f"the {thing} ?", asked) if found["word"] else None


def _once_more(line: str, memory: _Memory) -> str | None:
    found = _ONCE_MORE.fullmatch(line)
    if found is None or not memory.drawn:
        return None
    prompt = memory.drawn
    if found["ground"]:
        prompt = re.sub(r" on an? \w+ background$", "", prompt) + f" on a {found['ground']} background"
    if found["color"]:
        prompt = re.sub(rf"\b{_COLOR}\b", found["color"], prompt, count=1)
    return f"draw {prompt}"


def _another(line: str, memory: _Memory) -> str | None:
    return f"add a {_singular(memory.thing)}" if memory.thing and _ANOTHER.fullmatch(line) else None


def _pronoun(line: str, memory: _Memory) -> str | None:
    if not memory.thing or not _ACTS_ON.match(line) or not (found := _PRONOUN.search(line)):
        return None
    many = found[0] in ("them", "both", "all of them", "them all")
    thing = memory.thing if many else _singular(memory.thing)
    asks = re.match(r"what|which|where|how|is", line)
    return f"{line[: found.start()]}the {thing}{line[found.end() :]}" + (" ?" if asks else "")


def _singular(thing: str) -> str:
    return thing[:-1] if thing.endswith("s") and not thing.endswith("ss") else thing


def _after(instruction: str) -> str:
    """What an instruction leaves in mind: the thing as it looks now."""
    added = re.fullmatch(r"add an? (.+)", instruction)
    if added or instruction.startswith("remove"):
        return added[1] if added else ""
    found = _THING.search(instruction)
    thing = found["thing"] if found else ""
    turned = re.search(rf"\b({_COLOR})$", instruction)
    replaced = re.search(r" with an? (.+)$", instruction)
    if replaced:
        return replaced[1]
    return re.sub(rf"\b{_COLOR}\b", turned[1], thing) if turned else thing


def _asked_of(question: str) -> str:
    counted = re.fullmatch(r"how many (.+?) are there \?", question)
    if counted:
        return counted[1]
    there = re.fullmatch(r"is there an? (.+?) \?", question)
    about = re.fullmatch(r"(?:what color|what shape|how big|where) is the (.+?) \?", question)
    found = there or about
    return found[1] if found and found[1] != "background" else ""
