"""What every runtime must do, whoever runs the model. A test calls each check with a runtime."""

import re
import threading

import numpy as np
import pytest

from sightline_runtime.errors import CancelledError, InputError
from sightline_runtime.protocol import (
    DecodeRequest,
    EmbedRequest,
    FeatureRequest,
    ImageSlot,
    Message,
    Progress,
    Runtime,
    TextDelta,
    TextRequest,
)
from sightline_runtime.world.render import paint
from sightline_runtime.world.scenes import Scene, Thing

PICTURE = paint(Scene("white", (Thing("star", "red", "large", 4),)))


def ask(text: str) -> tuple[Message, ...]:
    """A user turn with one picture."""
    return (Message("user", (ImageSlot(0), text)),)


def say(text: str) -> tuple[Message, ...]:
    """A user turn without pictures."""
    return (Message("user", (text,)),)


def check_info(runtime: Runtime) -> None:
    """A runtime says what it is."""
    info = runtime.info
    assert isinstance(runtime, Runtime)
    assert len(info.fingerprint) == 64
    assert {"understand", "generate", "edit"} <= info.capabilities
    assert info.default_steps >= 1
    assert info.default_guidance >= 0
    assert info.default_decode_steps >= 1


def check_text(runtime: Runtime) -> None:
    """An answer streams, adds up, and carries its probability."""
    job = runtime.generate_text(TextRequest(ask("what color is the star ?"), (PICTURE,)))
    said = "".join(event.text for event in job if isinstance(event, TextDelta))
    result = job.result()
    assert said.split() == result.text.split()
    assert 0.0 < result.confidence <= 1.0
    assert result.usage.prompt_tokens > 0


def check_choices(runtime: Runtime) -> None:
    """Choices get probabilities that sum to one, and the best is the answer."""
    request = TextRequest(ask("is there a red star ?"), (PICTURE,), choices=("yes", "no"))
    result = runtime.generate_text(request).result()
    assert set(result.probabilities) == {"yes", "no"}
    assert sum(result.probabilities.values()) == pytest.approx(1.0)
    assert result.text == max(result.probabilities, key=lambda choice: result.probabilities[choice])


def check_pattern(runtime: Runtime) -> None:
    """An answer matches the pattern it was asked for, whatever the model would say, and streams."""
    question = ask("what color is the star ?")
    for pattern in ("red|green", "(?:small|large) (?:red|blue) stars?", "(?:star ){2,3}(?:ring|heart)"):
        job = runtime.generate_text(TextRequest(question, (PICTURE,), pattern=pattern, max_tokens=24))
        said = "".join(event.text for event in job if isinstance(event, TextDelta))
        result = job.result()
        assert re.fullmatch(pattern, result.text), result.text
        assert said.split() == result.text.split()
        assert 0.0 < result.confidence <= 1.0
        assert "".join(text for text, _ in result.pieces) == result.text


def check_bad_pattern(runtime: Runtime) -> None:
    """A pattern that cannot be read, cannot be matched or does not fit is refused."""
    cases: list[dict[str, object]] = [
        {"pattern": "(?=red)"},
        {"pattern": "(red"},
        {"pattern": r"[^\s\S]"},
        {"pattern": "red", "choices": ("red", "blue")},
        {"pattern": "(?:red ){50}red", "max_tokens": 20},
    ]
    for case in cases:
        with pytest.raises(InputError) as caught:
            runtime.generate_text(TextRequest(ask("what ?"), (PICTURE,), **case)).result()  # type: ignore[arg-type]
        assert caught.value.hint
    check_text(runtime)


def check_drawing(runtime: Runtime) -> None:
    """Features have the stated shape, progress counts up, pixels have the asked size."""
    job = runtime.generate_features(FeatureRequest(say("a red star"), (7,), steps=3))
    steps = [event for event in job if isinstance(event, Progress)]
    assert [event.done for event in steps] == [1, 2, 3]
    features = job.result().features
    assert features[0].shape == runtime.info.feature_shape
    assert features[0].dtype == np.float32
    image = runtime.decode_features(DecodeRequest(features, (7,), size=(96, 48))).result().images[0]
    assert image.shape == (48, 96, 3)
    assert image.dtype == np.uint8


def check_seeds(runtime: Runtime) -> None:
    """A seed gives the same features alone, in company, and again; other seeds give others."""
    alone = runtime.generate_features(FeatureRequest(say("a star"), (8,), steps=2)).result().features[0]
    three = runtime.generate_features(FeatureRequest(say("a star"), (6, 7, 8), steps=2)).result().features
    assert np.array_equal(alone, three[2])
    assert not np.array_equal(three[0], three[1])
    pixels = [runtime.decode_features(DecodeRequest((alone,), (8,))).result().images[0] for _ in range(2)]
    assert np.array_equal(*pixels)


def check_editing(runtime: Runtime) -> None:
    """A source picture changes what is drawn."""
    request = FeatureRequest(ask("make the background black"), (1,), (PICTURE,), steps=4)
    features = runtime.generate_features(request).result().features
    drawn = runtime.decode_features(DecodeRequest(features, (1,))).result().images[0]
    assert drawn.shape[1::-1] == runtime.info.image_size


def check_embedding(runtime: Runtime) -> None:
    """Every picture gets features of its own, the same each time, and they can be decoded."""
    features = runtime.embed_images(EmbedRequest((PICTURE, PICTURE[:, ::-1].copy()))).result().features
    assert len(features) == 2
    again = runtime.decode_features(DecodeRequest(features[:1], (0,))).result().images[0]
    assert again.shape[1::-1] == runtime.info.image_size
    assert not np.array_equal(*features)
    assert np.array_equal(runtime.embed_images(EmbedRequest((PICTURE,))).result().features[0], features[0])


def check_reading_features(runtime: Runtime) -> None:
    """A model that reads features says of them what it says of the picture; any other refuses them."""
    features = runtime.embed_images(EmbedRequest((PICTURE,))).result().features
    question = TextRequest(ask("what color is the star ?"), features=features, choices=("red", "blue"))
    if "read_features" not in runtime.info.capabilities:
        with pytest.raises(InputError):
            runtime.generate_text(question).result()
        return
    seen = runtime.generate_text(
        TextRequest(ask("what color is the star ?"), (PICTURE,), choices=("red", "blue"))
    )
    told = runtime.generate_text(question).result().probabilities
    assert told == pytest.approx(dict(seen.result().probabilities), abs=1e-4)
    for wrong in ((features[0][:1],), (features[0] * np.float32("nan"),)):
        with pytest.raises(InputError):
            runtime.generate_text(TextRequest(ask("what ?"), features=wrong)).result()


def check_bad_input(runtime: Runtime) -> None:
    """Impossible requests are refused as InputError, and the runtime stays usable."""
    features = runtime.embed_images(EmbedRequest((PICTURE,))).result().features
    calls = [
        lambda: runtime.generate_text(TextRequest(say("  "))),
        lambda: runtime.generate_text(TextRequest(ask("what ?"), ())),
        lambda: runtime.generate_text(TextRequest(say("star " * (runtime.info.max_prompt_tokens + 1)))),
        lambda: runtime.generate_features(FeatureRequest(say("a star"), (), steps=2)),
        lambda: runtime.generate_features(FeatureRequest(say("a star"), (1,), steps=0)),
        lambda: runtime.generate_features(FeatureRequest(say("a star"), (1,), guidance=float("nan"))),
        lambda: runtime.decode_features(DecodeRequest((features[0][:1],), (1,))),
        lambda: runtime.decode_features(DecodeRequest(features, (1, 2))),
    ]
    for call in calls:
        with pytest.raises(InputError) as caught:
            call().result()
        assert caught.value.hint
    check_text(runtime)


def check_cancel(runtime: Runtime) -> None:
    """A cancelled job ends once, with CancelledError or the result it already had."""
    job = runtime.generate_features(FeatureRequest(say("a star"), (1, 2, 3, 4), steps=200))
    job.cancel()
    job.cancel()
    try:
        job.result(timeout=60)
    except CancelledError:
        with pytest.raises(CancelledError):
            list(job)
    assert job.ended
    check_text(runtime)


def check_threads(runtime: Runtime) -> None:
    """Calls from many threads all end, each with its own result."""
    found: dict[int, bytes] = {}

    def draw(seed: int) -> None:
        job = runtime.generate_features(FeatureRequest(say("a ring"), (seed,), steps=2))
        found[seed] = job.result(timeout=120).features[0].tobytes()

    threads = [threading.Thread(target=draw, args=(seed,)) for seed in (1, 2, 3, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) == {1, 2, 3}
    assert len(set(found.values())) == 3


CHECKS = [
    check_info,
    check_text,
    check_choices,
    check_pattern,
    check_bad_pattern,
    check_drawing,
    check_seeds,
    check_editing,
    check_embedding,
    check_reading_features,
    check_bad_input,
    check_cancel,
    check_threads,
]
