"""What is wrong comes back as a message that says how to mend it; nothing is raised, nothing is changed."""

import json
import threading

import pytest
from tests.sdk.toolset.conftest import call_of

import sightline as sl
from sightline_tools.tool import Picture, ToolArgs, ToolResult
from sightline_tools.toolbox import Toolbox

BOX = [0, 0, 0.5, 0.5]


@pytest.mark.parametrize(
    ("name", "arguments", "code", "said"),
    [
        ("crob", {}, "not_found", ["no tool 'crob'", "Did you mean: crop"]),
        (
            "crop",
            {"imag": "img1", "box": BOX},
            "bad_input",
            ["imag: there is no", "mean: image", "takes image, box"],
        ),
        ("crop", {"image": "img1"}, "bad_input", ["box: is missing", "exactly 4 items"]),
        (
            "crop",
            {"image": "img1", "box": [0, 0, 9]},
            "bad_input",
            ["box.3: is missing", "number, at least 0"],
        ),
        (
            "crop",
            {"image": "img1", "box": [0, 0, 900, 900]},
            "bad_input",
            ["the picture, which is 64x64", "0 to 1"],
        ),
        ("crop", {"image": "img9", "box": BOX}, "not_found", ["no picture img9", "this session: img1"]),
        ("crop", {"image": "sha256:ffff", "box": BOX}, "not_found", ["no picture sha256:ffff"]),
        (
            "crop",
            {"image": "/etc/passwd", "box": BOX},
            "bad_input",
            ["'/etc/passwd' names no picture", "img3"],
        ),
        ("crop", {"image": {"pixels": "0"}, "box": BOX}, "bad_input", ["names no picture"]),
        ("crop", {"image": "https://x.example/a.png", "box": BOX}, "bad_input", ["names no picture"]),
        ("grid", {"images": ["img1", "img7", "x"]}, "not_found", ["images.1: ", "images.2: ", "img1"]),
        ("grid", {"images": []}, "bad_input", ["a grid needs pictures", "at least one"]),
        (
            "edit",
            {"image": "img1", "instruction": "blue", "region": {"mask": "img5"}},
            "not_found",
            ["region.mask"],
        ),
        (
            "edit",
            {"image": "img1", "instruction": "blue", "region": {}},
            "bad_input",
            ["0 ways", "give a box"],
        ),
        ("generate", {"prompt": "a star", "n": 65}, "bad_input", ["n is 65", "1 to 64 pictures"]),
        (
            "generate",
            {"prompt": "a star", "n": "many"},
            "bad_input",
            ["it was 'many'", "at least 1, at most 64"],
        ),
        ("generate", {"prompt": " "}, "bad_input", ["the prompt is empty"]),
        ("generate", {"prompt": "a star", "seed": "1e3"}, "bad_input", ["seed is '1e3'", "digits"]),
        ("generate", {"prompt": "a star", "seed": -1}, "bad_input", ["seed is -1"]),
        ("generate", {"prompt": "a star", "preview_every": 1}, "bad_input", ["preview_every: there is no"]),
        ("generate", {"prompt": "\ud800"}, "bad_input", ["half a character"]),
        (
            "annotate",
            {"image": "img1", "marks": [{"box": BOX, "colour": "red"}]},
            "bad_input",
            ["marks.0.colour"],
        ),
        ("resize", {"image": "img1"}, "bad_input", ["needs a width"]),
        ("look", {"image": "img1", "box": [5, 5, 5, 5]}, "bad_input", ["64x64"]),
        ("pictures", {"limit": 0}, "bad_input", ["limit", "at least 1, at most 100"]),
        ("history", {"branch": "mian"}, "not_found", ["mian", "main"]),
        ("undo", {"n": 7}, "bad_input", ["1 steps to undo"]),
        ("redo", {}, "bad_input", ["redo"]),
        ("branch", {"name": "main"}, "bad_input", ["already a branch 'main'"]),
        ("branch", {"name": "../x"}, "bad_input", ["cannot name a branch"]),
        ("checkout", {"name": "mian"}, "not_found", ["no branch 'mian'", "main"]),
        ("promote", {"image": "img1"}, "bad_input", ["no draft"]),
    ],
)
def test_a_wrong_call_is_told_what_is_wrong_and_what_is_allowed(ts, session, name, arguments, code, said):
    """Code, place, allowed values, near names and existing pictures; the branch has not moved."""
    before = session.head
    answer = ts.handle(call_of("plain", name, arguments))
    fault = answer.outcome.fault
    assert (answer["is_error"], fault.code) == (True, code)
    assert all(part in answer["text"] for part in said), answer["text"]
    assert answer["structured"]["error"]["message"] == fault.message
    assert session.head == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("{", "no JSON"),
        ('{"prompt": "a" "b"}', "no JSON"),
        ("[1]", "a list, not an object"),
        ('"star"', "a text, not an object"),
        ("7", "a number, not an object"),
        ('{"prompt": "a", "prompt": "b"}', "'prompt' twice"),
        ('{"prompt": "a", "region": {"box": 1, "box": 2}}', "'box' twice"),
        ('{"guidance": NaN}', "NaN is no JSON"),
        ('{"guidance": -Infinity}', "-Infinity is no JSON"),
        ('{"guidance": 1e400}', "no number that JSON has"),
        ('{"n": ' + "9" * 5000 + "}", "too long"),
        ("[" * 60_000, "nested too deeply"),
        ('{"a": ' * 40 + "1" + "}" * 40, "nested too deeply"),
        ('{"prompt": "' + "a" * 2**20 + '"}', "larger than 128 KB"),
        (" " * 2**20, "larger than 128 KB"),
    ],
)
def test_arguments_that_are_no_modest_json_object_are_refused(ts, arguments, said):
    """Broken, doubled, infinite, deep and huge texts."""
    for wire in ("chat", "responses", "plain"):
        fault = ts.handle(call_of(wire, "generate", arguments)).outcome.fault
        assert fault.code == "bad_input"
        assert said in fault.text


def nested(depth):
    """A list in a list in a list."""
    return [] if depth == 0 else [nested(depth - 1)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([1], "a list"),
        ("{}", "there is no such"),
        ({"prompt": float("inf")}, "JSON"),
        ({"prompt": b"bytes"}, "bytes, which JSON has not"),
        ({"prompt": object()}, "object, which JSON has not"),
        ({3: "a"}, "name is no text"),
        ({"prompt": nested(50)}, "nested too deeply"),
        ({"prompt": ["a" * 1000] * 1000}, "larger than 128 KB"),
        ({"prompt": [0] * 200_000}, "larger than 128 KB"),
    ],
)
def test_arguments_as_data_are_held_to_the_same(ts, arguments, said):
    """Anthropic sends them parsed; whoever builds them in Python may err."""
    fault = ts.handle({"type": "tool_use", "id": "t", "name": "generate", "input": arguments}).outcome.fault
    if arguments == "{}":
        assert "prompt: is missing" in fault.text
    else:
        assert said in fault.text


def test_no_arguments_are_an_empty_object(ts, wire):
    """An empty text, nothing, or null where a tool needs none."""
    for arguments in ("", None, {}):
        call = call_of(wire, "pictures", arguments)
        assert ts.handle(call).outcome.fault is None


def test_every_wrong_argument_is_told_at_once(ts, do):
    """A model mends them in one go."""
    fault = do(ts, "edit", image="img1", instruction="x", n="a", size=[1], draft="perhaps").fault
    assert [problem.at for problem in fault.problems] == ["n", "size.1", "draft"]


def test_null_stands_for_what_is_left_out(ts, do, session):
    """Strict forms send null for every optional argument, at every depth."""
    mark = {"box": [0, 0, 1, 1], "label": None, "color": None}
    done = do(ts, "annotate", image="img1", marks=[mark])
    assert done.result.step.recipe == session.annotate("img1", [{"box": (0, 0, 1, 1)}]).step.recipe
    region = {"box": [0, 0, 1, 1], "polygon": None, "mask": None}
    assert do(ts, "edit", image="img1", instruction="make the star blue", region=region).fault is None


class Nothing(ToolArgs):
    """Nothing."""


def failing(error):
    """A toolbox with a tool that raises."""

    @sl.tool(version="1")
    def fail(args: Nothing, ctx: sl.ToolContext) -> ToolResult:
        """Fail."""
        raise error

    return Toolbox(fail)


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        (sl.EngineError("/home/me/weights is gone"), "engine_failed", True),
        (RuntimeError("/home/me/secret"), "engine_failed", True),
        (sl.ModelError("/home/me/weights is gone"), "bad_model", False),
        (sl.StoreError("/home/me/store is full"), "store_failed", False),
        (sl.CorruptStoreError("/home/me/store is damaged"), "store_corrupt", False),
    ],
)
def test_what_a_model_cannot_mend_is_told_without_its_words(do, error, code, retryable):
    """They may name files of the machine; the session goes on."""
    with sl.Session(runtime=sl.FakeRuntime(), toolbox=failing(error)) as s:
        ts = s.toolset()
        outcome = do(ts, "fail")
        assert (outcome.fault.code, outcome.fault.retryable) == (code, retryable)
        assert "/home" not in json.dumps(ts.handle({"name": "fail"}))
        assert do(ts, "pictures").fault is None


def test_a_full_queue_says_when_to_come_again(do):
    """The model may wait."""
    busy = sl.BusyError("the queue is full", retry_after=3)
    with sl.Session(runtime=sl.FaultyRuntime(sl.FakeRuntime(), {"generate_features": 1}, busy)) as s:
        fault = do(s.toolset(), "generate", prompt="a star").fault
        assert (fault.code, fault.retryable, fault.hint) == ("busy", True, "try again in 3 seconds")
        assert do(s.toolset(), "generate", prompt="a star").fault is None


def test_a_damaged_picture_is_a_fault_or_shown_by_text_alone(tmp_path, fake, do):
    """The file of a picture is gone: looking at it is refused, naming it is not."""
    with sl.Session(tmp_path / "s", runtime=fake) as s:
        s.generate("a star")
        for file in (tmp_path / "s" / "objects").rglob("*"):
            if file.is_file():
                file.unlink()
        assert do(s.toolset(), "look", image="img1").fault.code == "store_corrupt"
        assert "img1" in do(s.toolset(), "pictures").text


def test_another_writer_is_told_as_something_to_repeat(tmp_path, fake, do):
    """The branch moved meanwhile: the same call lands on it the next time."""
    with sl.Session(tmp_path / "s", runtime=fake) as one, sl.Session(tmp_path / "s", runtime=fake) as two:
        one.generate("a star")
        fault = do(two.toolset(), "generate", prompt="a ring").fault
        assert fault.code == "stale_head"
        assert do(two.toolset(), "generate", prompt="a ring").fault is None


def test_a_result_that_is_too_large_for_a_message_says_where_it_is(do):
    """A tool that gives a megabyte: its step is kept, the message stays small."""

    class Long(ToolResult):
        """Much."""

        text: str

    @sl.tool(version="1")
    def much(args: Nothing, ctx: sl.ToolContext) -> Long:
        """Give much."""
        return Long(text="é" * 2**20)

    with sl.Session(runtime=sl.FakeRuntime(), toolbox=Toolbox(much)) as s:
        answer = s.toolset().handle({"name": "much"})
        assert answer.outcome.fault.code == "too_large"
        assert s.log()[0].short in answer["text"]
        assert len(json.dumps(answer)) < 2000


def test_pictures_inside_models_of_a_third_party_are_names_too(do):
    """A list of models that hold pictures: bound by name, refused by place."""

    class Layer(ToolArgs):
        """A layer."""

        image: sl.Image

    class Layers(ToolArgs):
        """Layers."""

        layers: tuple[Layer, ...]

    @sl.tool(version="1")
    def top(args: Layers, ctx: sl.ToolContext) -> Picture:
        """Give the top layer."""
        return Picture(image=ctx.save(ctx.load(args.layers[-1].image)))

    with sl.Session(runtime=sl.FakeRuntime(), toolbox=sl.Toolbox(top)) as s:
        s.add(sl.FakeRuntime()._draw("a star", None, 1))
        ts = s.toolset()
        assert do(ts, "top", layers=[{"image": "img1"}]).structured["image"]["alias"] == "img1"
        assert (
            do(ts, "top", layers=[{"image": "last"}, {"image": "img4"}]).fault.problems[0].at
            == "layers.1.image"
        )


def test_a_call_in_a_session_without_pictures_says_how_to_begin(session, do):
    """There is nothing to name yet."""
    for name in ("last", "img1"):
        assert "generate one first" in do(session.toolset(), "crop", image=name, box=BOX).text


def test_names_of_pictures_are_read_leniently(ts, do):
    """Other case, spaces, and the link of a result."""
    uri = do(ts, "pictures").structured["pictures"][0]["image"]["uri"]
    for name in ("IMG1", " img1 ", "LAST", uri):
        assert do(ts, "crop", image=name, box=BOX).fault is None


def test_a_closed_session_answers_too(fake):
    """Whatever is wrong below, every id gets its answer."""
    with sl.Session(runtime=fake) as s:
        s.generate("a star")
        ts = s.toolset()
    names = [("crop", {"image": "img1", "box": BOX}), ("history", {}), ("generate", {"prompt": "a ring"})]
    calls = [call_of("chat", name, arguments, name) for name, arguments in names]
    answers = ts.handle_all({"tool_calls": calls})
    assert [answer["tool_call_id"] for answer in answers] == ["crop", "history", "generate"]
    assert all(answer.outcome.fault is not None for answer in answers)


def test_threads_of_answered_calls_are_gone(ts, do):
    """Nothing is left running."""
    before = threading.active_count()
    for _ in range(5):
        do(ts, "crop", image="img1", box=BOX)
    assert threading.active_count() <= before
