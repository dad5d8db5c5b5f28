"""The doubles themselves."""

import pytest

from sightline_runtime.errors import EngineError
from sightline_runtime.protocol import FeatureRequest, Message, TextRequest
from sightline_runtime.testing import Answer, Drawn, FakeRuntime, FaultyRuntime, ScriptedRuntime, colored

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
