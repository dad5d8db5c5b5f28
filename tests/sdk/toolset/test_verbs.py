"""The session's verbs as tools, and what results tell."""

import json

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from tests.sdk.toolset.conftest import call_of

import sightline as sl

NOISE = np.random.default_rng(0).integers(0, 256, (900, 1500, 3), np.uint8)

DONE = [
    ("generate", {"prompt": "a blue ring", "n": 2}),
    ("understand", {"image": "img1", "question": "is there a ring ?", "choices": ["yes", "no"]}),
    ("edit", {"image": "img1", "instruction": "make the star blue", "region": {"box": [0, 0, 1, 1]}}),
    ("crop", {"image": "img1", "box": [0, 0, 32, 32]}),
    ("resize", {"image": "img1", "scale": 0.5}),
    ("annotate", {"image": "img1", "marks": [{"box": [0, 0, 0.5, 0.5], "label": "x"}]}),
    ("grid", {"images": ["img1", "img1"]}),
    ("composite", {"base": "img1", "top": "img1", "alpha": 0.5}),
    ("compare", {"a": "img1", "b": "img1"}),
    ("zoom", {"image": "img1", "box": [0, 0, 0.5, 0.5]}),
    ("isolate", {"image": "img1", "box": [0, 0, 0.5, 0.5]}),
    ("draw_best", {"prompt": "a star", "checks": [{"question": "is there a red star?"}]}),
    ("look", {"image": "img1"}),
    ("pictures", {}),
    ("history", {}),
    ("branch", {"name": "alt"}),
    ("checkout", {"name": "main"}),
    ("undo", {}),
]


def test_structured_content_has_the_form_of_the_output_schema(ts, do):
    """Every tool and verb, checked by a validator of JSON schema; every one is done at least here."""
    schemas = {offer.name: offer.output_schema for offer in ts.tools}
    for name, arguments in [*DONE, ("redo", {})]:
        outcome = do(ts, name, **arguments)
        assert outcome.fault is None, outcome.text
        Draft202012Validator(schemas.pop(name)).validate(outcome.structured)
    assert set(schemas) == {"promote"}


def test_a_result_loses_nothing(ts, do, session):
    """All that the verb returns is in the structured content."""
    said = session.understand("img1", "what color is the star ?")
    structured = do(ts, "understand", image="img1", question="what color is the star ?").structured
    assert (structured["text"], structured["confidence"]) == (said.text, said.confidence)
    same = session.compare("img1", "img1")
    told = do(ts, "compare", a="img1", b="img1").structured
    assert {name: told[name] for name in same.values if name != "image"} == {
        name: value for name, value in same.values.items() if name != "image"
    }
    assert told["step"]["id"] == session.log()[0].id
    drawn = do(ts, "generate", prompt="a ring")
    assert drawn.structured["usage"]["diffusion_steps"] == drawn.result.usage["diffusion_steps"]


def test_looking_closer_shows_a_part_enlarged_and_makes_no_step(ts, do, session):
    """The text says what part it is and at what scale."""
    before = session.head
    outcome = do(ts, "look", image="last", box=[0, 0, 0.25, 0.5])
    [shown] = outcome.previews
    assert (shown.width, shown.height) == (128, 256)
    assert outcome.structured["box"] == [0, 0, 16, 32]
    assert outcome.structured["scale"] == 8
    assert "pixels 0,0 to 16,32 of 64x64" in outcome.text
    assert session.head == before


def test_pictures_are_listed_newest_first_with_what_made_them(ts, do, session):
    """Names, sizes, words; a text narrows them down."""
    session.edit("img1", "make the star blue")
    session.add(np.zeros((2, 3, 3), np.uint8))
    lines = do(ts, "pictures").text.splitlines()
    assert lines[0] == "3 of 3 pictures, the newest first"
    assert lines[1].startswith("img3 (3x2, sha256:")
    assert lines[2].endswith("edit: make the star blue")
    listed = do(ts, "pictures", text="BLUE").structured
    assert [each["image"]["alias"] for each in listed["pictures"]] == ["img2"]
    assert do(ts, "pictures", limit=1).structured["total"] == 3


def test_branches_are_made_and_left(ts, do, session):
    """A branch from an earlier picture, and back; `last` follows."""
    session.generate("a ring")
    made = do(ts, "branch", name="alt", at="img1")
    assert made.structured["last"]["alias"] == "img1"
    assert session.head[0] == "alt"
    assert "last is now img2" in do(ts, "checkout", name="main").text
    branches = do(ts, "history", branch="alt").structured["branches"]
    assert [(each["name"], each["current"]) for each in branches] == [("alt", False), ("main", True)]


def test_undo_and_redo_say_where_the_session_stands(ts, do):
    """Down to the empty branch, and up again."""
    assert "it has no picture yet" in do(ts, "undo").text
    assert do(ts, "crop", image="last", box=[0, 0, 1, 1]).fault.code == "not_found"
    assert do(ts, "redo").structured["last"]["alias"] == "img1"


def test_a_draft_is_promoted(ts, do, session):
    """As the session's own verb does it."""
    do(ts, "generate", prompt="a ring", draft=True)
    outcome = do(ts, "promote", image="last")
    schema = next(offer.output_schema for offer in ts.tools if offer.name == "promote")
    Draft202012Validator(schema).validate(outcome.structured)
    assert session.generate("a ring").image.ref == outcome.result.image.ref
    assert ts.spent.images == 2


def test_hints_tell_what_a_call_can_change(ts):
    """Pure tools and looking only read; drawing adds; moving a branch is not idempotent."""
    hints = {offer.name: (offer.read_only, offer.idempotent) for offer in ts.tools}
    assert hints["crop"] == hints["understand"] == hints["look"] == hints["history"] == (True, True)
    assert hints["generate"] == hints["edit"] == hints["promote"] == hints["checkout"] == (False, True)
    assert hints["undo"] == hints["redo"] == hints["branch"] == (False, False)


@pytest.mark.parametrize("wire", ["anthropic", "responses", "plain"])
def test_the_largest_pictures_make_small_messages(do, wire):
    """Noise compresses badly: its previews are smaller, and few; the text names every picture."""
    with sl.Session(runtime=sl.FakeRuntime(), seed=1) as s:
        s.add(NOISE)
        ts = s.toolset()
        answer = ts.handle(call_of(wire, "crop", {"image": "img1", "box": [0, 0, 1400, 900]}))
        many = ts.handle(call_of(wire, "generate", {"prompt": "a star", "n": 12, "steps": 1}))
        for each in (answer, many):
            assert len(json.dumps(each)) <= 256 * 1024
        [shown] = answer.outcome.previews
        assert max(shown.width, shown.height) <= 512
        assert len(shown.data) <= 24 * 1024
        assert many.outcome.text.count("(64x64, sha256:") == 12
        assert len(many.outcome.previews) == 4


def test_previews_can_be_left_out(session, do):
    """For hosts that have no eyes."""
    ts = session.toolset(previews=0)
    assert do(ts, "generate", prompt="a star").previews == ()
    assert (
        session.toolset(previews=100)
        .handle({"name": "generate", "arguments": {"prompt": "a star"}})
        .outcome.previews[0]
        .width
        == 64
    )


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 5000, 3), (5000, 1, 4), (64, 64, 4), (511, 513, 3)])
def test_pictures_of_any_shape_have_a_preview(shape):
    """One pixel, one row, transparent, just too large."""
    from sightline.toolset.previews import preview

    shown = preview("x", np.full(shape, 99, np.uint8))
    assert min(shown.width, shown.height) >= 1
    assert max(shown.width, shown.height) <= 512
    assert shown.media_type == "image/png"
