"""The model card is written from files, and says what they say."""

import json

import pytest

from sightline_runtime.bench.speed import measure
from sightline_runtime.errors import InputError
from sightline_runtime.evaluation import card, suite
from sightline_runtime.evaluation.scores import Tally
from sightline_runtime.testing import FakeRuntime
from sightline_runtime.training.train import Trainer


@pytest.fixture(scope="module")
def score_files(tmp_path_factory):
    """Scores of the rule-based runtime with two seeds, every part."""
    folder = tmp_path_factory.mktemp("scores")
    files = []
    for seed in (1, 2):
        scores = suite.evaluate(FakeRuntime(), seed, 2, lambda *_: None, suite.PARTS)
        files.append(folder / f"{seed}.json")
        files[-1].write_text(json.dumps(scores))
    return files


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A whole training run of the tiny preset, with a log line for every step."""
    folder = tmp_path_factory.mktemp("run")
    trainer = Trainer(folder, "tiny")
    for report in trainer.run():
        trainer._log(report)
    return folder


def test_seeds_are_pooled_by_count(score_files):
    """A pooled share is all right answers of all asked, not a mean of shares."""
    told = card.pooled(score_files)
    found = [json.loads(path.read_text()) for path in score_files]
    for row in told["tables"]["edits"]:
        tallies = [scores["edits"]["kinds"][row["name"]] for scores in found]
        right = sum(round(tally["score"] * tally["n"]) for tally in tallies)
        assert row["n"] == sum(tally["n"] for tally in tallies)
        assert row["score"] == Tally(right, row["n"]).to_json()["score"]
        assert row["low"] <= row["score"] <= row["high"]


def test_scores_of_two_models_are_not_mixed(score_files, tmp_path):
    """Files with different fingerprints are refused."""
    other = tmp_path / "other.json"
    other.write_text(json.dumps(json.loads(score_files[0].read_text()) | {"fingerprint": "another"}))
    with pytest.raises(InputError, match="not of one model"):
        card.pooled([score_files[0], other])


def test_a_card_is_written_for_the_scored_model_only(score_files, run, tmp_path):
    """Scores of another model, or without a part that the card needs, are refused."""
    fewer = tmp_path / "fewer.json"
    told = json.loads(score_files[0].read_text())
    fewer.write_text(json.dumps({name: value for name, value in told.items() if name != "wide"}))
    with pytest.raises(InputError, match="'wide'"):
        card.pooled([fewer])
    other = tmp_path / "other.json"
    other.write_text(json.dumps(told | {"fingerprint": "another"}))
    with pytest.raises(InputError, match="of another model"):
        card.write(FakeRuntime(), tmp_path, scores=[other], runs=[run], milestones=None)


def test_the_card_holds_scores_costs_and_pictures(score_files, run, tmp_path):
    """README, scores and both pictures are written, with the numbers of the files in the text."""
    points = tmp_path / "points.json"
    points.write_text(
        json.dumps([{"minutes": 3.0, "label": "start", "generation": 0.5, "questions": 0.6, "edits": 0.7}])
    )
    (tmp_path / "config.json").write_text(json.dumps({"files": {"model.safetensors": "digest"}}))
    speed = tmp_path / "speed.json"
    speed.write_text(json.dumps(measure(FakeRuntime(), rounds=1, warmups=0)))
    card.write(FakeRuntime(), tmp_path, scores=score_files, runs=[run], milestones=points, speed=speed)
    text, told = (tmp_path / "README.md").read_text(), json.loads((tmp_path / "scores.json").read_text())
    assert told["files"] == {"model.safetensors": "digest"}
    assert f"**{told['means']['generation']:.3f}**" in text
    assert f"**{told['means']['edits']:.3f}**" in text
    assert "peak memory" in text
    assert "| 3: start | 0.50 | 0.60 | 0.70 |" in text
    assert all(f"| {stage} |" in text for stage in ("clip", "understanding", "drawing", "decoder"))
    for name in ("curves.png", "examples.png"):
        assert (tmp_path / name).read_bytes()[:4] == b"\x89PNG"


def test_curves_are_thinned_without_losing_a_loss(run):
    """Every stage has its losses, one value a point of time."""
    logs = card.stage_logs(run)
    assert [log.name for log in logs] == ["clip", "understanding", "drawing", "decoder"]
    for log in logs:
        assert log.losses
        assert all(len(values) == len(log.minutes) for values in log.losses.values())
