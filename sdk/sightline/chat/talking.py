"""A turn of a dialogue: the line, what the model says, its calls, and what it says of what they gave.

It always ends: after so many calls, at a call that it has made before in the turn, with
the budget, or when the model calls nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, cast

from sightline.chat.acting import Acting, offered
from sightline.chat.dialect import Dialect, dialect_of
from sightline.chat.dialogue import CHAT, Dialogue, Shown, answer, calls_of
from sightline.chat.references import Meant, question, resolve
from sightline.chat.reply import CallMade, Reply, Stop
from sightline.chat.transcript import Transcript
from sightline.chat.trim import Trim
from sightline.chat.turns import ToolCall
from sightline.errors import BudgetError, DeadlineError, InputError, SightlineError
from sightline.results import Answered, Cache, Picture, Result
from sightline.streaming import Calling
from sightline.toolset.budgets import Budget, Ledger, Spent
from sightline.toolset.deadlines import within
from sightline.toolset.outcomes import Fault
from sightline.toolset.running import Approve, Terms
from sightline.tree.context import Context
from sightline.tree.execute import Executor
from sightline.tree.past import Past, past_of
from sightline.tree.recipe import dialogue_digest
from sightline_runtime.protocol import Event, ImageSlot, Message, TextDelta, TextRequest
from sightline_tools.vision import on_white


@dataclass(frozen=True)
class Options:
    """What a turn is told beside its line; see `Session.chat`."""

    system: str = ""
    tools: Sequence[str] | None = None
    trim: Trim | None = None
    budget: Budget | None = None
    max_calls: int = 8
    max_tokens: int = 256
    approve: Approve | None = None
    timeout: float | None = 300.0
    preview_every: int = 0

    def __post_init__(self) -> None:
        if self.max_calls < 0:
            raise InputError(f"max_calls is {self.max_calls}", hint="allow 0 calls, or more")

    @classmethod
    def of(cls, options: Mapping[str, object]) -> Options:
        """Options by name; InputError for one that there is not."""
        names = [each.name for each in fields(cls)]
        strange = [name for name in options if name not in names]
        if strange:
            raise InputError(f"chat has no option {strange[0]!r}", hint=f"there are {', '.join(names)}")
        return cls(**cast("dict[str, Any]", dict(options)))

    @property
    def terms(self) -> Terms:
        """On what terms calls run."""
        return Terms(Ledger(self.budget or Budget()), self.approve, self.timeout, edge=0)


def listed(images: object) -> list[object]:
    """One picture, or several, as a list."""
    return list(images) if isinstance(images, list | tuple) else [images]


@dataclass
class Talk:
    """One turn on the branch of an executor."""

    executor: Executor
    options: Options
    watch: Callable[[Event | Calling], None] | None = None
    results: list[Result] = field(default_factory=list)
    made: list[CallMade] = field(default_factory=list)
    _streamed: str = ""
    _marked: bool = False

    def __post_init__(self) -> None:
        info, self.terms = self.executor.runtime.info, self.options.terms
        self._dialect: Dialect = dialect_of(info.family, info.capabilities)
        offers = offered(self.executor.toolbox, self.options.tools)
        self._acting = Acting(self.executor, offers, self.terms, self._acted, self.options.preview_every)

    def turn(self, message: str, images: Sequence[object]) -> Reply:
        """Say a line, and give what comes of it; InputError for an empty one."""
        if not isinstance(message, str) or not message.strip():
            raise InputError("the line is empty", hint="say something")
        try:
            pictures = [self._brought(image) for image in images]
            meant = self._meant(message, pictures)
            return self._said(message, meant, pictures)
        except BudgetError as error:
            return self._reply(f"I stopped: {error.message}", "budget", error.message)

    def _said(self, message: str, meant: Meant, pictures: Sequence[Picture]) -> Reply:
        if meant.asks:
            said = self._spoken({"message": message, "images": pictures, "said": meant.asks})
            return self._reply(self._text(said), "asks", "the line does not say which picture it means")
        line = {} if meant.line == message else {"meant": meant.line}
        said = self._spoken({"message": message, "images": pictures, **line})
        while calls := calls_of(said.step):
            heard = self._done(calls)
            if isinstance(heard, Reply):
                return heard
            settled = self._dialect.settled(self._dialogue(heard).turns)
            if settled is not None:
                return self._settled(settled)
            said = self._spoken({"message": "", "heard": heard})
        text = self._text(said)
        if not text.strip():
            return self._reply("", "empty", "the model said nothing")
        self._tell(text)
        return self._reply(text, "done", "the model had answered", confidence=_confidence(said))

    # --- calls -------------------------------------------------------------------------------

    def _done(self, calls: Sequence[ToolCall]) -> list[dict[str, str]] | Reply:
        """Do calls; give what those answered that made no step, or the reply if they end the turn."""
        heard = []
        for call in calls:
            own = self._acting.resolved(call, Transcript.of(self._dialogue().turns))
            if len(self.made) >= self.options.max_calls:
                why = f"the model wanted more than {self.options.max_calls} calls"
                return self._reply(f"I stopped: {why}.", "calls", why)
            if any((own.name, own.arguments) == (before.name, before.arguments) for before in self.made):
                why = f"the model called {own.name} twice with the same arguments"
                return self._reply(f"I stopped: {why}.", "repeated", why)
            self._emit(Calling(own.name, own.arguments))
            outcome = self._acting.do(own)
            step = None if outcome.result is None else outcome.result.step.id
            if outcome.result is not None:
                self.results.append(outcome.result)
            told = _wrong(outcome.fault) if outcome.fault else _short(outcome.result, outcome.text)
            self.made.append(CallMade(own.name, own.arguments, told, step, outcome.fault is None))
            if outcome.fault is not None and outcome.fault.code == "over_budget":
                return self._reply(f"I stopped: {told}.", "budget", told)
            if step is None:
                heard.append({"call": call.id, "text": outcome.text})
        return heard

    def _settled(self, text: str) -> Reply:
        """The reply of a model that leaves the answer to its tools."""
        last = self.made[-1]
        if not last.ok:
            return self._reply(last.answer, "failed", "no call could be done")
        self._tell(text)
        result = self.results[-1]
        sure = result.confidence if isinstance(result, Answered) else self._called_with
        return self._reply(text, "done", "the tools had answered", confidence=sure)

    @property
    def _called_with(self) -> float:
        said = [_confidence(result) for result in self.results if result.step.tool == CHAT]
        return said[-1] if said else 0.0

    # --- what is said ------------------------------------------------------------------------

    def _spoken(self, args: Mapping[str, object]) -> Result:
        """A step of what the model says next; BudgetError before it runs if it does not fit."""
        options = self.options
        given = {
            **args,
            "tools": options.tools,
            "trim": options.trim or Trim(),
            "max_tokens": options.max_tokens,
        }
        if args["message"]:
            given["system"] = options.system
        past = self._past()
        call = self.executor.prepare(CHAT, given, dialogue=dialogue_digest([s.recipe for s in past.steps]))
        ledger, need = (
            self.terms.ledger,
            Spent(steps=1, tokens=options.max_tokens + len(str(args["message"]))),
        )
        lacking = ledger.reserve(need)
        if lacking is not None:
            raise BudgetError(lacking, hint="give it more")
        took, self._marked, self._streamed = Spent(steps=1), False, ""
        try:
            said = within(ledger.seconds_left(), lambda: self.executor.finish(call, self._spoke))
            took = Spent(steps=1, tokens=_tokens(said))
        except DeadlineError as error:
            raise BudgetError("its seconds are over", hint="give it more time") from error
        finally:
            ledger.settle(need, took)
        self.results.append(said)
        return said

    def _text(self, said: Result) -> str:
        return str(said.step.outputs.get("text") or "")

    def _past(self) -> Past:
        executor = self.executor
        return past_of(executor.store, executor.pictures, executor.toolbox, executor.refs.head()[1])

    def _dialogue(self, heard: Sequence[Mapping[str, str]] = ()) -> Dialogue:
        told = Dialogue.of(self._past())
        told.hear({each["call"]: each["text"] for each in heard})
        return told

    # --- pictures ----------------------------------------------------------------------------

    def _brought(self, image: object) -> Picture:
        """A picture of the session; a new one is brought in first."""
        source = self.executor.pictures.source(image)
        if source.png is None:
            return self.executor.pictures.bound(source.ref, source.origin)
        lacking = self.terms.ledger.lacking(Spent(steps=1))
        if lacking is not None:
            raise BudgetError(lacking, hint="give it more")
        self.terms.ledger.note(Spent(steps=1))
        return self.executor.bring(source).image

    def _meant(self, message: str, pictures: list[Picture]) -> Meant:
        """The line with its references resolved; a picture of another branch that it names comes in too."""
        told = self._dialogue()
        told.say(message, [_shown(each) for each in pictures])
        looked_at = Transcript.of(told.turns).looked_at
        meant = resolve(message, told.shown, looked_at, self._is_known, self._sees)
        here = [] if meant.asks else [each.alias for each in told.shown]
        outside = [name for name in meant.named if not meant.asks and name not in here]
        if meant.named and not meant.asks and not self._dialect.names_pictures:
            outside = [name for name in meant.named if name != looked_at][:1]
        pictures += [self._brought(name) for name in outside]
        if meant.asks:
            return meant
        told.turns.pop()
        told.say(message, [_shown(each) for each in pictures])
        return replace(meant, line=self._dialect.spelled(meant.line, told.turns))

    def _is_known(self, name: str) -> bool:
        try:
            self.executor.pictures.named(name)
        except SightlineError:
            return False
        return True

    def _sees(self, shown: Shown, thing: str) -> float:
        """P(a picture shows a thing), 0 if the model has no word for it; nothing is recorded."""
        pixels = on_white(self.executor.pictures.load(shown.image))
        asked = Message("user", (ImageSlot(0), question(thing)))
        request = TextRequest((asked,), (pixels,), choices=("yes", "no"))
        context = Context(self.executor.runtime, (), self.executor.pictures.load)
        said = context.follow(self.executor.runtime.generate_text(request))
        return 0.0 if said.warnings else said.probabilities.get("yes", 0.0)

    # --- what is told on the way -------------------------------------------------------------

    def _emit(self, event: Event | Calling) -> None:
        if self.watch is not None:
            self._streamed += event.text if isinstance(event, TextDelta) else ""
            self.watch(event)

    def _acted(self, event: Event) -> None:
        """Pass on what a call does; its words only where what tools answer is the reply."""
        if not isinstance(event, TextDelta) or self._dialect.opens is None:
            self._emit(event)

    def _spoke(self, event: Event) -> None:
        """Pass on the words of the model up to the mark of a call."""
        opens = self._dialect.opens
        if not isinstance(event, TextDelta):
            self._emit(event)
        elif opens is not None and not self._marked:
            words, mark, _ = event.text.partition(opens) if opens else (event.text, "", "")
            self._marked = bool(mark)
            if words:
                self._emit(TextDelta(words))

    def _tell(self, text: str) -> None:
        """Pass on what has not been told of a reply."""
        rest = text.removeprefix(self._streamed.strip()) if self._streamed.strip() else text
        if rest:
            self._emit(TextDelta(rest))

    # --- the reply ---------------------------------------------------------------------------

    def _reply(self, text: str, stopped: Stop, why: str, *, confidence: float = 0.0) -> Reply:
        if stopped != "done":
            self._tell(text)
        if not self.results:
            raise BudgetError(why, hint="give it more")
        pictures = [each for result in self.results for each in result.images]
        usage: dict[str, float] = {}
        for result in self.results:
            for name, amount in result.usage.items():
                usage[name] = usage.get(name, 0.0) + amount
        hits = all(result.cache.status == "hit" for result in self.results)
        warnings = dict.fromkeys(warning for result in self.results for warning in result.warnings)
        return Reply(
            step=self.results[-1].step,
            usage=usage,
            cache=Cache("hit", "every step of the turn was found") if hits else Cache("miss"),
            warnings=tuple(warnings),
            images=tuple({each.ref.pixels: each for each in pictures}.values()),
            text=text.strip(),
            confidence=confidence,
            calls=tuple(self.made),
            steps=tuple(result.step.id for result in self.results),
            stopped=stopped,
            why=why,
        )


def _shown(picture: Picture) -> Shown:
    return Shown(picture.ref, picture.alias or "")


def _wrong(fault: Fault) -> str:
    """Why a call was not done, and what to do."""
    return f"{fault.message}: {fault.hint}" if fault.hint else fault.message


def _short(result: Result | None, text: str) -> str:
    """What a call answered, in a line."""
    if result is None:
        return text.split("\n", 1)[0]
    return (
        str(result) if isinstance(result, Answered) else answer(result.step, list(map(_shown, result.images)))
    )


def _confidence(said: Result) -> float:
    return float(cast(float, said.step.values().get("confidence", 0.0)))


def _tokens(said: Result) -> int:
    return int(
        sum(said.usage.get(kind, 0) for kind in ("prompt_tokens", "completion_tokens", "image_tokens"))
    )
