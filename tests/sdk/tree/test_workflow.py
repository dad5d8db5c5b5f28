"""Workflows: a branch as data, read from strangers' text, and run over pictures and folders."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PILImage

import sightline as sl
from sightline_runtime.testing import FakeRuntime, FaultyRuntime
from sightline_runtime.world.reader import scene_of
from sightline_runtime.world.render import paint
from sightline_tools.toolbox import Toolbox

PICTURES = ("a red star", "a blue ring", "a green heart", "a yellow cross")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of four pictures, and a text beside them."""
    place = tmp_path_factory.mktemp("in")
    for number, prompt in enumerate(PICTURES):
        PILImage.fromarray(paint(scene_of(prompt, number))).save(place / f"{number}.png")
    (place / "notes.txt").write_text("no picture")
    return place


@pytest.fixture
def workflow(session, folder):
    """A picture is brought in, edited, asked about, cut, and laid out beside the edit."""
    return made(session, folder / "0.png")


def made(session, picture):
    """The workflow of that branch."""
    source = session.add(picture)
    edited = session.edit(source, "change the background to black")
    session.understand(edited, "what color is the background ?")
    cut = session.crop(edited, (0, 0, 0.5, 0.5))
    session.grid([edited, cut], padding=2)
    return session.recipe()


# --- what a recipe holds -------------------------------------------------------------------------


def test_a_branch_becomes_data(workflow):
    """Inputs, parameters with their defaults, references, tool versions; no default is written."""
    data = json.loads(workflow.to_json())
    assert data["inputs"] == ["image"]
    assert data["parameters"] == {
        "edit.instruction": "change the background to black",
        "understand.question": "what color is the background ?",
        "crop.box": [0.0, 0.0, 0.5, 0.5],
        "grid.padding": 2,
    }
    grid = data["steps"][-1]
    assert (grid["name"], grid["tool"], grid["version"]) == ("grid", "grid", "1")
    assert grid["args"] == {
        "images": [{"$from": "edit"}, {"$from": "crop"}],
        "padding": {"$parameter": "grid.padding"},
    }
    assert data["seed"] == 7
    workflow.check()


def test_a_workflow_survives_its_text(workflow):
    """Reading back what was written gives the same."""
    assert sl.Workflow.from_json(workflow.to_json()) == workflow
    assert sl.Workflow.from_json(workflow.to_json().encode()) == workflow


def test_given_seeds_are_parameters_and_chosen_ones_are_not(session):
    """A seed that was given is written down; the session's own follow from each picture."""
    star = session.generate("a star", seed=5)
    session.edit(session.generate("a ring"), "make the ring blue")
    session.edit(star, "make the star blue", seed=2**62)
    parameters = session.recipe().parameters
    seeds = {name: value for name, value in parameters.items() if "seed" in name}
    assert seeds == {"generate.seed": 5, "edit2.seed": 2**62}
    assert sl.Workflow.from_json(session.recipe().to_json()).parameters == parameters


def test_several_pictures_of_one_step_are_told_apart(session):
    """The second picture of a drawing is the second picture for every item."""
    two = session.generate("a star", n=2)
    session.edit(two.images[1], "make the star blue")
    assert session.recipe().steps[1].args["image"] == {"$from": "generate", "picture": 1}


def test_a_promoted_draft_is_that_draft_for_every_item(session, folder, tmp_path):
    """One picture of a draft at full quality shares its seed, and its features, in every item."""
    source = session.add(folder / "0.png")
    draft = session.edit(source, "add a star", n=3, draft=True)
    session.promote(draft.images[2])
    workflow = session.recipe()
    assert workflow.steps[1].args["seed"] == {"$from": "edit", "picture": 2}
    assert workflow.steps[1].args["instruction"] == {"$parameter": "edit.instruction"}
    runtime = FakeRuntime()
    report = workflow.run(folder, out=tmp_path / "out", runtime=runtime)
    assert report.ok
    assert runtime.calls == ["generate_features", "decode_features", "decode_features"] * 4
    with sl.Session(tmp_path / "out") as out:
        for item in report.items:
            full, rough, _ = out.log(branch=item.branch)
            assert full.seeds == rough.seeds[2:]
    few = workflow.run(folder, out=tmp_path / "out", params={"edit.n": 2}, runtime=runtime)
    assert "draws with seed 3 of edit, which has 2" in few.items[0].error["message"]


def test_what_is_no_workflow_cannot_be_recorded(session, folder):
    """An empty branch, and one that only brings pictures in, are refused."""
    with pytest.raises(sl.NotFoundError):
        session.recipe()
    session.add(folder / "0.png")
    with pytest.raises(sl.InputError, match="only brings pictures in"):
        session.recipe()


# --- running -------------------------------------------------------------------------------------


def test_a_folder_is_run_in_its_order(workflow, session, folder, tmp_path):
    """Every picture has a branch and files; the picture of the session gives what it gave there."""
    report = workflow.run(folder, out=tmp_path / "out", runtime=FakeRuntime())
    assert report.ok
    assert [item.name for item in report.items] == ["0", "1", "2", "3"]
    assert {item.answers["understand"] for item in report.items} == {"black"}
    first = report.items[0]
    assert np.array_equal(np.asarray(PILImage.open(first.files[0])), session.show("HEAD").image.numpy())
    with sl.Session(tmp_path / "out") as out:
        assert out.branches == {"main": None} | {item.branch: item.head for item in report.items}
        assert [step.recipe for step in out.log(branch=first.branch)] == [
            step.recipe for step in session.log()
        ]
        assert out.verify_store().problems == ()


def test_workers_change_nothing_but_time(workflow, folder, tmp_path):
    """Four at a time give the same branches, pictures and order as one."""
    reports = [workflow.run(folder, out=tmp_path / str(n), workers=n, runtime=FakeRuntime()) for n in (1, 4)]
    pictures = [[file.read_bytes() for item in report.items for file in item.files] for report in reports]
    assert pictures[0] == pictures[1]
    assert [item.branch for item in reports[0].items] == [item.branch for item in reports[1].items]


def test_the_order_and_company_of_a_picture_do_not_matter(workflow, folder, tmp_path):
    """A picture alone, or among others in another order, gives the same branch; equal ones share it."""
    paths = sorted(folder.glob("*.png"))
    together = workflow.run(folder, out=tmp_path / "a", runtime=FakeRuntime())
    turned = workflow.run(
        [paths[2], paths[0], paths[2]], out=tmp_path / "b", workers=3, runtime=FakeRuntime()
    )
    assert [item.branch for item in turned.items] == [together.items[n].branch for n in (2, 0, 2)]
    assert sorted(item.computed for item in turned.items) == [0, 5, 5]


def test_a_second_run_computes_nothing(workflow, folder, tmp_path):
    """All is found, also where a file was removed, which is written again; new pictures are computed."""
    report = workflow.run(folder, out=tmp_path / "out", runtime=FakeRuntime())
    report.items[1].files[0].unlink()
    idle = FakeRuntime()
    again = workflow.run(folder, out=tmp_path / "out", runtime=idle)
    assert idle.calls == []
    assert [(item.computed, item.reused) for item in again.items] == [(0, 5)] * 4
    assert [item.head for item in again.items] == [item.head for item in report.items]
    assert report.items[1].files[0].exists()
    with pytest.raises(sl.InputError, match="holds a run"):
        workflow.run(folder, out=tmp_path / "out", resume=False, runtime=idle)


def test_a_failing_item_stops_no_other(workflow, folder, tmp_path):
    """A damaged picture and an engine failure are told of; a later run mends what can be mended."""
    (tmp_path / "in").mkdir()
    for path in sorted(folder.glob("*.png"))[:2]:
        (tmp_path / "in" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "in" / "00.png").write_bytes(b"\x89PNG rubbish")
    faulty = FaultyRuntime(FakeRuntime(), {"generate_text": 1})
    report = workflow.run(tmp_path / "in", out=tmp_path / "out", runtime=faulty)
    assert [item.status for item in report.items] == ["failed", "failed", "done"]
    engine, picture = report.failed
    assert engine.error["code"] == "engine_failed"
    assert engine.error["message"].startswith("step 2 of 4, understand: ")
    assert engine.computed == 2
    assert (picture.error["code"], picture.branch) == ("bad_image", None)
    assert "1 of 3 done" in repr(report)
    again = workflow.run(tmp_path / "in", out=tmp_path / "out", runtime=FakeRuntime())
    assert [item.status for item in again.items] == ["done", "failed", "done"]
    assert (again.items[0].computed, again.items[0].reused) == (3, 2)


def test_a_fault_of_a_tool_stops_no_other(workflow, folder, tmp_path):
    """What was never foreseen is a failed item too."""

    class Odd(FakeRuntime):
        def generate_features(self, request):
            raise ZeroDivisionError("odd")

    report = workflow.run(folder, out=tmp_path / "out", runtime=Odd())
    assert len(report.failed) == 4
    assert "ZeroDivisionError: odd" in report.items[0].error["message"]


def test_parameters_may_be_given_anew(workflow, folder, tmp_path):
    """For all items, for one, by name, or as any argument of a step."""
    one = folder / "0.png"
    items = [one, {"image": one, "edit.instruction": "make the star blue"}]
    params = {"crop.box": (0.5, 0.5, 1, 1), "grid.columns": 1, "edit.seed": 3}
    report = workflow.run(items, out=tmp_path / "out", params=params, runtime=FakeRuntime())
    assert [item.answers["understand"] == "black" for item in report.items] == [True, False]
    with sl.Session(tmp_path / "out") as out:
        grid, crop, _, edit, _ = out.log(branch=report.items[0].branch)
        assert (grid.args["columns"], edit.seeds) == (1, (3,))
        assert crop.args["box"][0] == {"$float": "0.5"}


def test_a_workflow_without_inputs_maps_over_parameters(session, tmp_path):
    """Items are then mappings alone; several inputs are filled by name, or for all."""
    star = session.generate("a red star")
    base = session.add(np.full((64, 64, 3), 245, np.uint8))
    session.composite(base, star, left=2)
    workflow = session.recipe()
    prompts = [{"generate.prompt": prompt} for prompt in PICTURES]
    white = np.full((64, 64, 3), 255, np.uint8)
    report = workflow.run(prompts, out=tmp_path / "out", params={"image": white}, runtime=FakeRuntime())
    assert (report.ok, len({item.head for item in report.items})) == (True, 4)


def test_an_interrupted_run_stops_and_goes_on(workflow, folder, tmp_path):
    """Cancelling ends the whole run with one error; the next one finds what was done."""
    from sightline.tree.cancelling import Cancellation

    stop = Cancellation()

    class Stopping(FakeRuntime):
        def generate_text(self, request):
            stop.cancel()
            return super().generate_text(request)

    with pytest.raises(sl.CancelledError):
        stop.run(lambda: workflow.run(folder, out=tmp_path / "out", workers=2, runtime=Stopping()))
    report = workflow.run(folder, out=tmp_path / "out", runtime=FakeRuntime())
    assert report.ok
    assert sum(item.reused for item in report.items) >= 2


_RUN = """
import sys
import sightline as sl
from sightline_runtime.testing import FakeRuntime
workflow = sl.Workflow.from_json(open(sys.argv[1]).read())
workflow.run(sys.argv[2], out=sys.argv[3], workers=2, runtime=FakeRuntime(delay=0.15))
"""


def test_a_killed_run_goes_on_where_it_was(workflow, folder, tmp_path):
    """After kill -9 in the middle the rest is computed, nothing twice, and the store is whole."""
    (tmp_path / "w.json").write_text(workflow.to_json())
    out = tmp_path / "out"
    command = [sys.executable, "-c", _RUN, tmp_path / "w.json", folder, out]
    running = subprocess.Popen(command, env=os.environ)
    deadline = time.monotonic() + 30
    while not list(out.glob("pictures/[0-9]*.png")) and time.monotonic() < deadline:
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    running.wait()
    with sl.Session(out) as s:
        left = s.verify_store()
    assert left.problems == ()
    assert left.steps < 20
    runtime = FakeRuntime()
    report = workflow.run(folder, out=out, runtime=runtime)
    assert report.ok
    assert sum(item.computed for item in report.items) + sum(item.reused for item in report.items) == 20
    assert sum(item.reused for item in report.items) == left.steps  # also one that was not yet on its branch
    plain = workflow.run(folder, out=tmp_path / "plain", runtime=FakeRuntime())
    for ours, theirs in zip(report.items, plain.items, strict=True):
        assert ours.files[0].read_bytes() == theirs.files[0].read_bytes()
    with sl.Session(out) as s:
        assert s.verify_store().problems == ()
        assert sum(len(s.log(branch=item.branch)) for item in report.items) == 20
    assert not list(out.glob("pictures/.*"))


# --- what is refused -----------------------------------------------------------------------------

BAD_RUNS = {
    "no such folder": lambda w, f: w.run(f / "nowhere", out=f / "out"),
    "a folder without pictures": lambda w, f: w.run(f / "empty", out=f / "out"),
    "a number": lambda w, f: w.run(5, out=f / "out"),
    "no workers": lambda w, f: w.run([], out=f / "out", workers=0),
    "an unknown parameter": lambda w, f: w.run([f], out=f / "out", params={"colour": 1}),
    "a wrong parameter of no items": lambda w, f: w.run([], out=f / "out", params={"edit.steps": 0.5}),
    "an unknown argument": lambda w, f: w.run([f], out=f / "out", params={"edit.colour": 1}),
    "a wrong value": lambda w, f: w.run([f], out=f / "out", params={"edit.steps": "many"}),
    "a bad seed": lambda w, f: w.run([f], out=f / "out", params={"edit.seed": -1}),
    "a path where a picture of a step belongs": lambda w, f: w.run(
        [f], out=f / "out", params={"edit.image": "x.png"}
    ),
    "an item without its picture": lambda w, f: w.run([{"edit.steps": 2}], out=f / "out"),
    "an item of nothing known": lambda w, f: w.run([{"image": f, "imagine": 2}], out=f / "out"),
    "a tool that is not there": lambda w, f: w.run([f], out=f / "out", toolbox=Toolbox()),
}


@pytest.mark.parametrize("case", BAD_RUNS)
def test_runs_that_cannot_be_are_refused_before_anything_is_made(workflow, tmp_path, case):
    """Each is one error of the tree with a hint; no folder is made."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(sl.InputError) as caught:
        BAD_RUNS[case](workflow, tmp_path)
    assert caught.value.hint
    assert not (tmp_path / "out").exists()


def edited(workflow, change):
    """The text of a workflow after a change of its data."""
    data = json.loads(workflow.to_json())
    change(data)
    return json.dumps(data)


BAD_TEXTS = {
    "an unknown field": lambda d: d.update(command="rm"),
    "another format": lambda d: d.update(format="other"),
    "no steps": lambda d: d.update(steps=[]),
    "a reference to a later step": lambda d: d["steps"][0]["args"].update(image={"$from": "crop"}),
    "a reference to nothing": lambda d: d["steps"][0]["args"].update(image={"$from": "nothing"}),
    "a reference of no form": lambda d: d["steps"][0]["args"].update(image={"$from": "image", "picture": -1}),
    "a reserved name": lambda d: d["steps"][0]["args"].update(image={"$file": "/etc/passwd"}),
    "an unknown parameter": lambda d: d["parameters"].clear(),
    "a name twice": lambda d: d["steps"][1].update(name="edit"),
    "a name of a path": lambda d: d["steps"][0].update(name="../edit"),
    "a seed too large": lambda d: d.update(seed=2**63),
}


@pytest.mark.parametrize("case", BAD_TEXTS)
def test_texts_that_are_no_workflow_are_refused(workflow, case):
    """Each is one InputError that says where."""
    with pytest.raises(sl.InputError, match="no workflow") as caught:
        sl.Workflow.from_json(edited(workflow, BAD_TEXTS[case]))
    assert caught.value.hint


@pytest.mark.parametrize("text", ["", "5", "[]", "{", "[" * 10_000, '{"steps":' * 5_000, b"\xff\xfe", None])
def test_texts_that_are_no_data_are_refused(text):
    """Whatever a text holds, the error is of the tree."""
    with pytest.raises(sl.InputError):
        sl.Workflow.from_json(text)


STRANGE = {
    "a file as a picture": lambda d: d["steps"][0]["args"].update(image="/etc/hostname"),
    "a file as one of several": lambda d: d["steps"][-1]["args"].update(images=["/etc/hostname"]),
    "a file by way of a parameter": lambda d: (
        d["parameters"].update(file="/etc/hostname"),
        d["steps"][0]["args"].update(image={"$parameter": "file"}),
    ),
    "a file as a region": lambda d: d["steps"][0]["args"].update(region="/etc/hostname"),
    "a file as the mask of a region": lambda d: d["steps"][0]["args"].update(
        region={"mask": "/etc/hostname"}
    ),
    "a picture as an instruction": lambda d: d["steps"][0]["args"].update(instruction={"$from": "image"}),
    "an unknown tool": lambda d: d["steps"][0].update(tool="os.system"),
    "another version": lambda d: d["steps"][0].update(version="99"),
    "an unknown argument": lambda d: d["steps"][0]["args"].update(shell=True),
    "a wrong type": lambda d: d["parameters"].update({"crop.box": "all"}),
    "a wrong value": lambda d: d["steps"][0]["args"].update(steps=0.5),
}


@pytest.mark.parametrize("case", STRANGE)
def test_what_a_stranger_asks_for_opens_no_path(workflow, monkeypatch, folder, tmp_path, case):
    """Reading it is harmless, checking and running it are refused before anything is opened."""
    strange = sl.Workflow.from_json(edited(workflow, STRANGE[case]))
    monkeypatch.setattr("pathlib.Path.read_bytes", lambda path: pytest.fail(f"{path} was opened"))
    with pytest.raises(sl.InputError):
        strange.check()
    with pytest.raises(sl.InputError):
        strange.run([folder / "0.png"], out=tmp_path / "out", runtime=FakeRuntime())
    assert not (tmp_path / "out").exists()


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(max_size=8), JSON, max_size=3), st.integers(0, 2**63 - 1))
def test_any_parameters_survive_the_text(parameters, seed):
    """Whatever values parameters have, the text gives them back."""
    steps = [
        {
            "name": "a",
            "tool": "t",
            "version": "1",
            "args": {name: {"$parameter": name} for name in parameters},
        }
    ]
    workflow = sl.Workflow(parameters=parameters, steps=steps, seed=seed)
    assert sl.Workflow.from_json(workflow.to_json()) == workflow


@settings(max_examples=80, deadline=None)
@given(JSON)
def test_any_text_is_a_workflow_or_one_error(value):
    """Strangers' JSON never raises anything else."""
    for data in (
        value,
        {"steps": [value]},
        {"steps": [{"name": "a", "tool": "edit", "version": "3", "args": value}]},
    ):
        try:
            sl.Workflow.from_json(json.dumps(data)).check()
        except sl.InputError:
            continue
