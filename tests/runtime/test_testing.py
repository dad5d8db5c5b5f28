"""The doubles themselves."""

import numpy as np
import pytest

from sightline_runtime.errors import EngineError, InputError
from sightline_runtime.protocol import DecodeRequest, FeatureRequest, Message, TextRequest
from sightline_runtime.testing import Answer, Drawn, FakeRuntime, FaultyRuntime, ScriptedRuntime, colored
from sightline_runtime.world import judge

SAY = (Message("user", ("a red star",)),)


def test_a_script_is_played_in_order():
    """Answers and pictures come as written; what is left over fails."""
    runtime = ScriptedRuntime(Answer("seven", 0.6, to="star"), Drawn(colored("red")))
    assert runtime.generate_text(TextRequest(SAY)).result().text == "seven"
    with pytest.raises(AssertionError, match="1 scripted"):
        runtime.finish()
    assert runtime.generate_features(FeatureRequest(SAY, (1,))).result().features[0].mean() == pytest.approx(
        100
    )
    runtime.finish()
    with pytest.raises(EngineError, match="does not go on"):
        runtime.generate_text(TextRequest(SAY)).result()


def test_faults_happen_as_often_as_asked():
    """Two faults, then it works."""
    runtime = FaultyRuntime(FakeRuntime(), {"generate_text": 2})
    for _ in range(2):
        with pytest.raises(EngineError):
            runtime.generate_text(TextRequest(SAY)).result()
    assert runtime.generate_text(TextRequest(SAY)).result().text


def test_one_step_of_decoding_is_coarser_than_the_default(fake):
    """A draft of the rule-based runtime shows the same scene in larger pixels."""
    features = fake.generate_features(FeatureRequest(SAY, (1,))).result().features
    plain, coarse = (
        fake.decode_features(DecodeRequest(features, (1,), steps=steps)).result().images[0]
        for steps in (None, 1)
    )
    assert not np.array_equal(plain, coarse)
    assert np.array_equal(coarse[::2, ::2], coarse[1::2, 1::2])
    assert judge.read(coarse).things[0].color == "red"


def test_doubles_keep_to_a_pattern(fake):
    """What is true is said if it matches, else the shortest match; a script that breaks it fails."""
    request = TextRequest(SAY, pattern="(?:two|three) stars")
    assert fake.generate_text(request).result().text == "two stars"
    runtime = ScriptedRuntime(Answer("two stars"), Answer("a star"))
    assert runtime.generate_text(request).result().text == "two stars"
    with pytest.raises(EngineError, match="'a star' does not match"):
        runtime.generate_text(request).result()
    with pytest.raises(InputError, match="shortest match"):
        fake.generate_text(TextRequest(SAY, pattern="(?:a ){9}star", max_tokens=3)).result()
