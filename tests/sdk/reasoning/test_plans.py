"""Plans as data: in and out, what check finds, and that it never raises."""

import json
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sightline as sl
from sightline.errors import InputError, NotFoundError
from sightline.reasoning.plans.plan import Plan
from sightline_tools.toolbox import default_toolbox

BOX = default_toolbox()
LOOK = {"id": "n", "tool": "understand", "args": {"image": "$photo", "question": "how many stars ?"}}
EDIT = {"id": "e", "tool": "edit", "args": {"image": "$photo", "instruction": "remove the star"}}


def faults(*steps, inputs=("photo",), box=BOX, **result):
    """The faults of a plan as one text."""
    return " | ".join(map(str, Plan.read({"inputs": inputs, "steps": list(steps), **result}).check(box)))


def test_a_plan_that_can_run_has_no_faults():
    """Calls, values, tests, loops, lines and conditions."""
    steps = [
        {"id": "now", "let": "$photo"},
        LOOK,
        {
            "repeat": [
                {
                    "id": "now",
                    "tool": "edit",
                    "args": {"image": "$now.image", "instruction": "remove the star"},
                },
                {**LOOK, "args": {"image": "$now", "question": "how many stars ?"}},
            ],
            "as_long_as": {"value": "$n.number", "at_least": 1},
            "most": 3,
        },
        {"parallel": [[{**EDIT, "id": "a"}], [{**EDIT, "id": "b"}]]},
        {"id": "pair", "tool": "grid", "args": {"images": ["$a.image", "$b.images.0"]}},
        {"id": "few", "test": {"value": "$n.number", "at_most": 2}},
        {"id": "said", "let": "${n.text} stars"},
        {**LOOK, "id": "n", "when": {"value": "$few.text", "equals": "yes"}},
    ]
    assert faults(*steps, answer="$said", image="$pair.image") == ""


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ([{**LOOK, "tool": "understnd"}], "steps.0 (n): there is no tool 'understnd'; there is understand"),
        ([{**LOOK, "args": {"image": "$photo"}}], "understand needs 'question'"),
        ([{**LOOK, "args": {**LOOK["args"], "colour": 1}}], "understand takes no 'colour'"),
        ([{**LOOK, "args": {**LOOK["args"], "image": "$foto"}}], "$foto is given by no step before"),
        ([{**LOOK, "args": {**LOOK["args"], "image": "/etc/passwd"}}], "image takes a picture"),
        ([{**LOOK, "args": {**LOOK["args"], "image": "img1"}}], "image takes a picture"),
        ([{**LOOK, "args": {**LOOK["args"], "question": " "}}], "the question is empty"),
        ([{**LOOK, "args": {**LOOK["args"], "question": "$photo"}}], "question takes string, but $photo"),
        ([{**LOOK, "args": {**LOOK["args"], "max_tokens": "many"}}], "max_tokens: "),
        ([{**EDIT, "args": {**EDIT["args"], "n": 65}}], "n is 65"),
        ([{**EDIT, "args": {**EDIT["args"], "seed": -1}}], "seed is -1"),
        ([LOOK, {**EDIT, "args": {**EDIT["args"], "image": "$n"}}], "image takes a picture"),
        ([LOOK, {**LOOK, "args": {**LOOK["args"], "question": "$n.number"}}], "question takes string, but"),
        ([{**EDIT, "when": {"value": "x", "equals": "y"}}, {"id": "x", "let": "$e.image"}],
         "$e may stand for nothing here"),
        ([EDIT, {**LOOK, "args": {**LOOK["args"], "image": "$e.images.1"}}], "$e has no picture 1; it has 1"),
        ([LOOK, {"id": "x", "let": "$n.changed"}], "$n has no 'changed', but text, number, confidence"),
        ([{"id": "x", "test": {"value": "$photo", "equals": "red"}}], "cannot be compared"),
        ([LOOK, {"id": "x", "test": {"value": "$n", "equals": "red"}}], "name its text"),
        ([{"id": "x", "let": "$Photo"}], "is no reference: write $name"),
        ([{"parallel": [[EDIT], [EDIT]]}], "e is given by another line too"),
        ([{"repeat": [LOOK], "as_long_as": {"value": "$n.number", "at_least": 1}}], "$n is given by no step"),
        ([{"id": "x", "tool": "grid", "args": {"images": "$photo"}}], "images takes a list of pictures"),
    ],
)  # fmt: skip
def test_every_fault_is_told_with_its_place(steps, told):
    """One sentence each, before anything runs."""
    assert told in faults(*steps)


def test_a_loop_is_checked_with_what_its_rounds_leave():
    """What a round turns into something else is unclear in the next, and after the loop."""
    loop = {
        "repeat": [{"id": "x", "tool": "understand", "args": {"image": "$x", "question": "what ?"}}],
        "as_long_as": {"value": 1, "at_least": 1},
    }
    first = {"id": "x", "let": "$photo"}
    assert (
        faults(first, loop)
        == "steps.1.repeat.0 (x): image takes a picture such as $photo or $step.image, not '$x'"
    )
    assert "$x has no 'image', but no fields here" in faults(first, loop, {"id": "y", "let": "$x.image"})


def test_results_are_what_they_say():
    """An answer is a text, an image a picture, both references."""
    assert "answer: 'yes' is no reference" in faults(LOOK, answer="yes")
    assert "answer: $photo is no text" in faults(LOOK, answer="$photo")
    assert "image: $n.text is no picture" in faults(LOOK, image="$n.text")
    assert faults({**EDIT, "when": {"value": 1, "equals": 2}}, image="$e.image") == ""


def test_a_toolset_limits_what_a_plan_may_call(session):
    """Tools that are not in it are unknown, under whatever name it shows the others."""
    looking = session.toolset(include=["understand"], prefix="sl_")
    assert faults(LOOK, box=looking) == ""
    assert "there is no tool 'edit'" in faults(EDIT, box=looking)
    picture = session.generate("a red star")
    with pytest.raises(InputError, match="there is no tool 'edit'"):
        session.run({"inputs": ["photo"], "steps": [EDIT]}, {"photo": picture}, toolset=looking)
    assert list(session.branches) == ["main"]


def test_plans_are_read_from_all_forms(tmp_path):
    """Data, JSON, YAML, and files of them, which say the same; yes stays a word."""
    text = """
    inputs: [photo]
    steps:
      - {id: n, tool: understand, args: {image: $photo, question: "is there a star ?", choices: [yes, no]}}
      - {id: ok, test: {value: $n.text, equals: yes}}
    answer: $ok.text
    """
    plan = Plan.read(text)
    assert plan.steps[0].args["choices"] == ["yes", "no"]
    (tmp_path / "plan.yaml").write_text(plan.yaml_text())
    forms = [plan.json_text(), plan.yaml_text(), plan.data(), tmp_path / "plan.yaml"]
    assert all(Plan.read(form) == plan for form in forms)
    assert plan.check(BOX) == []


@pytest.mark.parametrize(
    "text",
    ["", "[]", "steps: []", "{", "steps: &a [*a]", "steps: [{id: X, let: 1}]", "steps: [{id: x}]", "3",
     "steps: [{id: x, let: 1, more: 2}]", "!!python/object:os.system {}",
     "steps: [{repeat: [{id: x, let: 1}], as_long_as: {value: 1}}]", "{" * 2000, "x" * 1_000_001,
     json.dumps({"steps": [{"id": "x", "let": 1}] * 201})],
)  # fmt: skip
def test_what_is_no_plan_is_refused(text):
    """With what is wrong, as an error of the tree."""
    with pytest.raises(InputError):
        Plan.read(text)


def test_nesting_is_bounded():
    """Six deep, not seven."""
    node = {"id": "x", "let": 1}
    for _ in range(5):
        node = {"parallel": [[node]]}
    assert Plan.read({"steps": [node]})
    with pytest.raises(InputError, match="nested"):
        Plan.read({"steps": [{"parallel": [[node]]}]})


@pytest.mark.parametrize("source", [3, None, ["a"]])
def test_what_cannot_be_a_plan_is_refused(source):
    """Neither data, nor text, nor a file."""
    with pytest.raises(InputError, match="is no plan"):
        Plan.read(source)


def test_a_file_that_is_not_there_is_not_found(tmp_path):
    """And one that is no text is refused."""
    with pytest.raises(NotFoundError):
        Plan.read(tmp_path / "none.yaml")
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read"):
        Plan.read(tmp_path / "x.yaml")


# --- any plan ------------------------------------------------------------------------------------

_NAME = st.sampled_from(["a", "b", "c", "photo"])
_REFERENCE = st.builds(
    "${}{}".format,
    _NAME,
    st.sampled_from(["", ".image", ".text", ".number", ".images.0", ".images.3", ".changed", ".confidence"]),
)
_VALUE = st.one_of(
    _REFERENCE,
    st.sampled_from(
        ["a red star", "how many stars ?", "remove the ${a.text} star", "", "$", 1, 0.5, True, None]
    ),
    st.just([0, 0, 0.5, 0.5]),
    st.lists(_REFERENCE, max_size=2),
)
_CONDITION = st.one_of(
    st.builds(lambda v, o: {"value": v, "equals": o}, _VALUE, st.sampled_from(["yes", 2, "red"])),
    st.builds(lambda v, o: {"value": v, "at_least": o}, _VALUE, st.sampled_from([1, 2.5, "$a.number"])),
)
_ARGS = st.dictionaries(
    st.sampled_from(
        ["image", "question", "instruction", "prompt", "box", "images", "n", "choices", "x", "seed"]
    ),
    _VALUE,
    max_size=3,
)
_SENSIBLE = st.one_of(
    st.builds(lambda r, t: ("understand", {"image": r, "question": t}), _REFERENCE,
              st.sampled_from(["how many stars ?", "what color is the star ?"])),
    st.builds(lambda r, t: ("edit", {"image": r, "instruction": t}), _REFERENCE,
              st.sampled_from(["remove the star", "make the star blue", "remove the ${a.text} star"])),
    st.builds(lambda n: ("generate", {"prompt": "a red star", "n": n}), st.integers(1, 2)),
    st.builds(lambda r: ("isolate", {"image": r, "box": [0, 0, 0.5, 0.5]}), _REFERENCE),
    st.builds(lambda r: ("grid", {"images": [r, r]}), _REFERENCE),
)  # fmt: skip


def _called(call, name, when):
    return {"id": name, "tool": call[0], "args": call[1]} | ({} if when is None else {"when": when})


_LEAF = st.one_of(
    st.builds(_called, _SENSIBLE, _NAME, st.one_of(st.none(), st.none(), _CONDITION)),
    st.builds(_called, _SENSIBLE, _NAME, st.none()),
    st.builds(_called, st.tuples(st.sampled_from(["edit", "crop", "grid", "none"]), _ARGS), _NAME, st.none()),
    st.builds(lambda n, v: {"id": n, "let": v}, _NAME, _VALUE),
    st.builds(lambda n, c: {"id": n, "test": c}, _NAME, _CONDITION),
)
_NODE = st.recursive(
    _LEAF,
    lambda inner: st.one_of(
        st.builds(lambda s, c, m: {"repeat": s, "as_long_as": c, "most": m},
                  st.lists(inner, min_size=1, max_size=3), _CONDITION, st.integers(1, 3)),
        st.builds(lambda lines: {"parallel": lines},
                  st.lists(st.lists(inner, min_size=1, max_size=2), min_size=1, max_size=2)),
    ),
    max_leaves=4,
)  # fmt: skip
PLANS = st.builds(
    lambda steps, answer, image: {"inputs": ["photo"], "steps": steps, "answer": answer, "image": image},
    st.lists(_NODE, min_size=1, max_size=5),
    st.one_of(st.none(), _REFERENCE),
    st.one_of(st.none(), _REFERENCE),
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=PLANS)
def test_any_plan_is_checked_and_written(data):
    """Check never raises; JSON and YAML give the same plan back."""
    plan = Plan.read(data)
    assert all(problem.where and problem.what for problem in plan.check(BOX))
    assert Plan.read(plan.json_text()) == plan
    assert Plan.read(plan.yaml_text()) == plan


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=PLANS, steps=st.one_of(st.none(), st.integers(0, 8)))
def test_a_plan_that_passes_runs_to_its_end(data, steps):
    """It is done, or its budget ended it, or what was answered was refused; and no more than estimated."""
    plan = Plan.read(data)
    if plan.check(BOX):
        return
    with sl.Session(runtime=sl.FakeRuntime(), seed=3) as session:
        picture = session.generate("two red stars and a blue ring")
        before = session.estimate(plan, {"photo": picture})
        made = session.run(plan, {"photo": picture}, budget=sl.Budget(steps=steps))
        assert made.stopped in ("done", "budget", "refused")
        assert made.stopped != "refused" or made.why.startswith("steps.")
        assert steps is None or made.spent.steps <= steps
        assert made.spent.steps <= before.worst.steps
        assert made.spent.images <= before.worst.steps * 2


@given(text=st.text(max_size=200))
def test_any_text_is_a_plan_or_is_refused(text):
    """Never anything but an error of the tree."""
    with suppress(InputError):
        assert Plan.read(text).steps
