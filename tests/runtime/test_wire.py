"""The runtime protocol as JSON and bytes: what goes in comes out, to the bit, and rubbish is refused."""

import json
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of_numpy

from sightline_runtime.errors import EngineError, ImageError, InputError, TooLargeError
from sightline_runtime.protocol import (
    DecodeRequest,
    EmbedRequest,
    EmbedResult,
    FeatureRequest,
    FeatureResult,
    ImageSlot,
    Message,
    PixelResult,
    Preview,
    Progress,
    TextDelta,
    TextRequest,
    TextResult,
    Usage,
)
from sightline_runtime.testing import FakeRuntime, colored
from sightline_runtime.wire import answers, arrays, requests

text = st.text(max_size=12)
whole = st.integers(-(2**63), 2**64)
real = st.floats(allow_nan=False)
pixels = arrays_of_numpy.arrays(np.uint8, st.tuples(st.integers(1, 5), st.integers(1, 5), st.just(3)))
features = arrays_of_numpy.arrays(np.float32, st.tuples(st.integers(0, 4), st.integers(1, 4)))
usages = st.builds(Usage, *[st.integers(0, 10**9)] * 4, st.floats(0, 1e9))
turns = st.lists(
    st.builds(
        Message,
        st.sampled_from(["system", "user", "assistant"]),
        st.lists(text | st.builds(ImageSlot, st.integers(-3, 9)), max_size=3).map(tuple),
    ),
    max_size=3,
).map(tuple)


def several(items):
    """Up to three of them, as a tuple."""
    return st.lists(items, max_size=3).map(tuple)


steps = st.none() | st.integers(-5, 2000)
asked = st.one_of(
    st.builds(
        TextRequest,
        messages=turns,
        images=several(pixels),
        choices=several(text),
        pattern=text,
        max_tokens=whole,
        temperature=real,
        seed=whole,
    ),
    st.builds(
        FeatureRequest,
        messages=turns,
        seeds=several(whole),
        images=several(pixels),
        steps=steps,
        guidance=st.none() | real,
        preview_every=whole,
        plans=several(text),
    ),
    st.builds(DecodeRequest, several(features), several(whole), st.none() | st.tuples(whole, whole), steps),
    st.builds(EmbedRequest, several(pixels)),
)
told = st.one_of(
    st.builds(
        TextResult,
        text=text,
        confidence=real,
        probabilities=st.dictionaries(text, real, max_size=3),
        finish=st.sampled_from(["stop", "length"]),
        warnings=several(text),
        usage=usages,
        pieces=several(st.tuples(text, real)),
    ),
    st.builds(FeatureResult, several(features), several(text), several(st.booleans()), several(text), usages),
    st.builds(PixelResult, several(pixels), usages),
    st.builds(EmbedResult, several(features), usages),
)


def same(one, other):
    """Whether two values of the protocol are equal, arrays bit by bit and type by type."""
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if hasattr(one, "__dataclass_fields__"):
        return type(one) is type(other) and same(tuple(vars(one).values()), tuple(vars(other).values()))
    return one == other


def carried(held):
    """Arrays as they come out at the other end."""
    return {key: arrays.decode(*arrays.encode(array), named=key) for key, array in held.items()}


@given(asked, st.none() | st.floats(0, 100))
@settings(max_examples=60, deadline=None)
def test_a_request_comes_out_as_it_went_in(request, deadline):
    """Every field of every request survives JSON; arrays are named once each."""
    form, held = requests.form_of(request)
    job = requests.JobForm(fingerprint="f", request=form, deadline=deadline)
    read = requests.JobForm.model_validate_json(job.model_dump_json())
    assert read.same_work(job)
    assert set(requests.named_arrays(read.request)) == set(held)
    out = requests.request_of(read.request, carried(held), deadline=read.deadline)
    assert same(out, replace(request, deadline=deadline))


@given(told)
@settings(max_examples=60, deadline=None)
def test_a_result_comes_out_as_it_went_in(result):
    """Every field of every result survives JSON, floats to the last bit."""
    data, held = answers.result_data(result)
    read = json.loads(json.dumps(data))
    if isinstance(result, TextResult):
        assert same(answers.text_of(read), result)
        return
    stage = {FeatureResult: "features", PixelResult: "decode", EmbedResult: "embed"}[type(result)]
    answer = answers.named_of(stage, read)
    assert set(answers.arrays_of(answer)) == set(held)
    assert same(answers.result_of(answer, carried(held)), result)


@given(
    st.one_of(
        st.builds(Progress, st.sampled_from(["text", "plan", "features", "decode", "embed"]), whole, whole),
        st.builds(TextDelta, text),
        st.builds(Preview, st.integers(0, 9), pixels),
    )
)
@settings(max_examples=40, deadline=None)
def test_an_event_comes_out_as_it_went_in(event):
    """Progress, text and previews survive JSON."""
    name, data = answers.event_data(event)
    assert same(answers.event_of(name, json.loads(json.dumps(data))), event)


def test_events_of_a_newer_server_are_passed_over():
    """A name that this version does not know is no error."""
    assert answers.event_of("mood", {"good": True}) is None


def test_what_a_runtime_is_comes_out_as_it_went_in():
    """Sets and tuples of the info survive JSON."""
    info = FakeRuntime().info
    assert answers.info_of(json.loads(json.dumps(answers.info_data(info)))) == info


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_json_lacks_reach_the_runtime_that_refuses_them(value):
    """The model's own check says what is wrong with them, as it does locally."""
    form, _ = requests.form_of(FeatureRequest((), (1,), guidance=value))
    sent = requests.JobForm(fingerprint="f", request=form).model_dump_json()
    json.loads(sent, parse_constant=pytest.fail)
    read = requests.request_of(requests.JobForm.model_validate_json(sent).request, {}, deadline=None)
    assert repr(read.guidance) == repr(value)


def test_a_digest_tells_type_shape_and_values_apart():
    """The same bytes in another shape or type are another array; byte order and layout do not matter."""
    base = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    others = [base.reshape(1, 4, 3), base.view(np.int8), base.astype(np.float32), base[::-1]]
    assert len({arrays.digest(array) for array in [base, *others]}) == 5
    floats = np.arange(4, dtype=np.float32).reshape(2, 2)
    assert (
        arrays.digest(floats)
        == arrays.digest(floats.astype(">f4"))
        == arrays.digest(np.asfortranarray(floats))
    )
    with pytest.raises(InputError, match="cannot be sent"):
        arrays.digest(np.array(["text"]))


def test_pictures_travel_as_png_and_the_rest_as_safetensors():
    """RGB pixels are PNG; what no model takes travels all the same, to be refused by the model."""
    picture = colored("red")
    assert arrays.encode(picture)[0] == arrays.PNG
    for odd in (picture[..., :2], picture.astype(np.float64), picture[:0], np.float32(3.0)):
        media, body = arrays.encode(odd)
        assert media == arrays.TENSOR
        assert same(arrays.decode(media, body, named=arrays.digest(odd)), np.asarray(odd))


def test_an_array_that_is_not_what_was_named_is_refused():
    """A digest of something else, a cut file, a wrong type, a wrong kind of PNG: each a clear error."""
    media, body = arrays.encode(colored("red"))
    key = arrays.digest(colored("red"))
    cases = [
        (media, arrays.encode(colored("blue"))[1], InputError, "not the one"),
        (media, body[:-30], ImageError, "cut short"),
        (media, b"", ImageError, "not a PNG"),
        (media, b"GIF89a", ImageError, "not a PNG"),
        (arrays.TENSOR, body, InputError, "not a safetensors"),
        (arrays.TENSOR, b"", InputError, "not a safetensors"),
        ("text/html", body, InputError, "of type 'text/html'"),
    ]
    for kind, data, error, match in cases:
        with pytest.raises(error, match=match) as caught:
            arrays.decode(kind, data, named=key)
        assert caught.value.hint


def test_a_picture_of_too_many_pixels_is_refused_from_its_head():
    """A bomb is told by the size that its head claims; nothing of it is decoded."""
    _, body = arrays.encode(colored("red"))
    bomb = body[:16] + (60_000).to_bytes(4, "big") * 2 + body[24:]
    with pytest.raises(TooLargeError, match="60000x60000"):
        arrays.decode(arrays.PNG, bomb, named="0" * 64)


@given(st.binary(max_size=200), st.sampled_from([arrays.PNG, arrays.TENSOR]))
@settings(max_examples=80, deadline=None)
def test_any_bytes_for_an_array_are_an_input_error(body, media):
    """Whatever is sent, it is refused as the caller's mistake."""
    head = arrays.encode(colored("red"))[1][:60] if media == arrays.PNG else b""
    with pytest.raises(InputError):
        arrays.decode(media, head + body, named="0" * 64)


json_data = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | text,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["features", "images", "text", "usage", "confidence", "index"]), inner
        )
    ),
    max_leaves=6,
)


@given(json_data)
@settings(max_examples=80, deadline=None)
def test_a_strange_answer_is_one_clear_error(data):
    """A server that says something else gives EngineError, or data that fits; never another exception."""
    readers = [
        answers.info_of,
        answers.text_of,
        *[
            lambda data, stage=stage: answers.named_of(stage, data)
            for stage in ("features", "decode", "embed")
        ],
        *[lambda data, name=name: answers.event_of(name, data) for name in ("progress", "text", "preview")],
    ]
    for reader in readers:
        with suppress(EngineError):
            reader(data)


def test_a_request_that_no_server_takes_is_refused_at_home():
    """A number that is none and too many pictures are found before anything is sent."""
    with pytest.raises(InputError, match="seeds"):
        requests.form_of(FeatureRequest((), ("one",)))
    with pytest.raises(InputError, match="1024"):
        requests.form_of(FeatureRequest((), tuple(range(2000))))
