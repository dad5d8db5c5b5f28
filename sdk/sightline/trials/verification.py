"""Verification: does a verdict know whether a picture shows what its prompt, or its edit, asks?

Pictures that the model drew, each with its own prompt and with another one of the same
kind, so that half of the claims are near misses; the pixel judge knows the truth. A
curve is fitted on one half of the claims and measured on the other.
"""

from __future__ import annotations

from collections.abc import Iterator

from sightline.reasoning import calibration
from sightline.reasoning.calibration import Calibration, of_model
from sightline.reasoning.verify import Verdict, verify
from sightline.results import Picture
from sightline.session import Session
from sightline.trials.trial import Step
from sightline_runtime.evaluation.scores import Json
from sightline_runtime.evaluation.world import satisfies
from sightline_runtime.protocol import Runtime
from sightline_runtime.world import judge, language
from sightline_runtime.world.render import paint
from sightline_runtime.world.scenes import SceneSampler

Claim = tuple[float, bool]
"""A score and the truth."""


def calibrated(runtime: Runtime, seed: int, n: int, step: Step) -> Calibration:
    """A calibration of a model: fitted on 2 n claims of each kind, measured on those of the next seed."""
    fitting, measuring = (
        [*drawn, *edited]
        for drawn, edited in (_claims(runtime, seed, n, step), _claims(runtime, seed + 1, n, step))
    )
    fitted = _fitted(runtime, fitting)
    measured = _measured(measuring, fitted)
    return fitted.model_copy(update={name: measured[name] for name in ("ece", "auroc", "n")})


def verification(runtime: Runtime, seed: int, n: int, step: Step) -> Json:
    """AUROC and calibration of verdicts on 2 n claims of each kind; and the fitted calibration."""
    drawn, edited = _claims(runtime, seed, n, step)
    claims = [claim for pair in zip(drawn, edited, strict=False) for claim in pair]
    claims += drawn[len(edited) :] + edited[len(drawn) :]
    fitted = _fitted(runtime, claims[::2])
    measured = _measured(claims[1::2], fitted)
    told = {"ece": measured["ece"], "auroc": measured["auroc"], "n": measured["n"]}
    return {
        "drawings": _measured(drawn, fitted),
        "edits": _measured(edited, fitted),
        "held_out": measured,
        "calibration": fitted.model_copy(update=told).model_dump(mode="json"),
    }


def _claims(runtime: Runtime, seed: int, n: int, step: Step) -> tuple[list[Claim], list[Claim]]:
    """Claims about drawings and about edits."""
    with Session(runtime=runtime, seed=seed) as session:
        return list(_drawings(session, seed, n, step)), list(_edits(session, seed, n, step))


def _fitted(runtime: Runtime, claims: list[Claim]) -> Calibration:
    """The curve of a model on claims."""
    slope, shift = calibration.fit(*_split(claims))
    info = runtime.info
    return of_model(info.family, info.fingerprint).model_copy(
        update={"fingerprint": info.fingerprint, "slope": round(slope, 4), "shift": round(shift, 4)}
    )


def _drawings(session: Session, seed: int, n: int, step: Step) -> Iterator[Claim]:
    world, kinds = SceneSampler(seed * 1_000_003 + 53, held_out=False), language.GENERATION_TYPES
    for number in range(n * len(kinds)):
        kind = kinds[number % len(kinds)]
        prompt, scene = language.prompt(world, kind)
        other, another = language.prompt(world, kind)
        picture = session.generate(prompt).image
        seen = judge.read(picture.numpy())
        for text, wanted in ((prompt, scene), (other, another)):
            try:
                truth = satisfies(seen, kind, wanted, text)
            except StopIteration:  # a relation to a thing that is not there
                truth = False
            yield _verdict(session, picture, text).score, truth
        step("verify drawings", number + 1, n * len(kinds))


def _edits(session: Session, seed: int, n: int, step: Step) -> Iterator[Claim]:
    world, kinds = SceneSampler(seed * 1_000_003 + 54, held_out=False), language.EDIT_KINDS
    for number in range(n * len(kinds)):
        change = language.edit(world, kinds[number % len(kinds)])
        other = language.edit_of(world, change.source, kinds[(number + 1 + number // 7) % len(kinds)])
        before = session.add(paint(change.source)).image
        after = session.edit(before, change.instruction).image
        truth = judge.edited(judge.read(after.numpy()), change.source, change.target)
        yield _verdict(session, after, change.instruction, before).score, truth
        if other is not None:
            wrong = session.edit(before, other.instruction).image
            truth = judge.edited(judge.read(wrong.numpy()), change.source, change.target)
            yield _verdict(session, wrong, change.instruction, before).score, truth
        step("verify edits", number + 1, n * len(kinds))


def _verdict(session: Session, picture: Picture, claim: str, before: Picture | None = None) -> Verdict:
    def ask(image: Picture, question: str, choices: object) -> object:
        return session.understand(image, question, choices=tuple(choices))  # type: ignore[arg-type]

    return verify(ask, session.runtime.info, picture, claim, before=before)  # type: ignore[arg-type]


def _split(claims: list[Claim]) -> tuple[list[float], list[bool]]:
    return [score for score, _ in claims], [truth for _, truth in claims]


def _measured(claims: list[Claim], fitted: Calibration) -> Json:
    scores, truths = _split(claims)
    probabilities = [fitted.probability(score) for score in scores]
    passed = [fitted.passed(probability) for probability in probabilities]
    sure = [verdict is truth for verdict, truth in zip(passed, truths, strict=True) if verdict is not None]
    both = 0 < sum(truths) < len(truths)
    return {
        "n": len(claims),
        "true": round(sum(truths) / len(claims), 4),
        "auroc": round(calibration.auroc(scores, truths), 4) if both else None,
        "ece_raw": round(calibration.calibration_error(scores, truths), 4),
        "ece": round(calibration.calibration_error(probabilities, truths), 4),
        "unknown": round(1 - len(sure) / len(claims), 4),
        "right_where_known": round(sum(sure) / max(len(sure), 1), 4),
    }
