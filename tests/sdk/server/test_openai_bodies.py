"""Whatever a client sends to OpenAI's routes, the answer is one of the documented errors, never a crash."""

import json
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sightline.server.house import House
from sightline.server.serving import running
from sightline.server.settings import Settings
from sightline_runtime.testing import FakeRuntime

BOUNDED = settings(
    max_examples=60,
    deadline=timedelta(seconds=5),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.just("\ud800"),
    st.just(10**400),
)
JSON = st.recursive(
    ODD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def rarely(usual, odd=JSON):
    """A value as it should be, one time in forty another one."""
    return st.integers(0, 39).flatmap(lambda which: odd if which == 39 else usual)


def form(required, optional):
    """An object whose fields are mostly right."""
    return st.fixed_dictionaries(
        {name: rarely(value) for name, value in required.items()},
        optional={name: rarely(value) for name, value in optional.items()},
    )


WORDS = st.sampled_from(["hello", "make the star red", "<|im_end|>", "<tool_call>{}</tool_call>", "x y", " "])
PARTS = st.one_of(
    form({"type": st.just("text"), "text": WORDS}, {}),
    form(
        {
            "type": st.just("image_url"),
            "image_url": form(
                {"url": st.sampled_from(["img1", "sha256:00", "data:image/png;base64,AA", "x"])}, {}
            ),
        },
        {},
    ),
    form({"type": st.just("refusal"), "refusal": WORDS}, {}),
)
CALL = form(
    {
        "id": st.sampled_from(["a", "b"]),
        "function": form({"name": st.just("edit"), "arguments": st.just("{}")}, {}),
    },
    {"type": st.just("function")},
)
MESSAGE = form(
    {"role": st.sampled_from(["user", "assistant", "tool", "system", "developer"])},
    {
        "content": WORDS | st.lists(PARTS, max_size=3),
        "tool_calls": st.lists(CALL, max_size=2),
        "tool_call_id": st.sampled_from(["a", "b"]),
    },
)
SPOKEN = form(
    {
        "role": st.sampled_from(["user", "assistant", "system"]),
        "content": WORDS | st.lists(PARTS, max_size=2),
    },
    {},
)
EXCHANGE = st.tuples(
    form({"role": st.just("assistant"), "tool_calls": st.lists(CALL, min_size=1, max_size=1)}, {}),
    form({"role": st.just("tool"), "tool_call_id": st.just("a"), "content": WORDS}, {}),
)
USER = form({"role": st.just("user"), "content": WORDS | st.lists(PARTS, max_size=2)}, {})
TURNS = st.lists(SPOKEN.map(lambda one: (one,)) | EXCHANGE | MESSAGE.map(lambda one: (one,)), max_size=2)
MESSAGES = st.builds(lambda turns, last: [*(one for turn in turns for one in turn), last], TURNS, USER)
TOOL = form(
    {"type": st.just("function"), "function": form({"name": st.just("edit")}, {"parameters": JSON})}, {}
)
CHAT = form(
    {"model": st.just("fake"), "messages": MESSAGES},
    {
        "tools": st.lists(TOOL, max_size=2),
        "tool_choice": st.sampled_from(["auto", "none", "required"]),
        "temperature": st.floats(0, 2),
        "seed": st.integers(-9, 2**64),
        "stop": WORDS,
        "stream": st.booleans(),
        "max_tokens": st.integers(1, 9),
        "response_format": form(
            {"type": st.sampled_from(["text", "json_schema"])},
            {"json_schema": form({"name": st.just("x"), "schema": st.just({"enum": ["a", "b"]})}, {})},
        ),
        "logit_bias": JSON,
        "session": st.sampled_from(["a", "b", "../x"]),
    },
)
DRAWING = form(
    {"prompt": WORDS},
    {
        "model": st.just("fake"),
        "n": st.integers(0, 3),
        "size": st.sampled_from(["auto", "16x16", "8x32", "9999x9999"]),
        "seed": st.integers(-9, 2**64),
        "stream": st.booleans(),
        "partial_images": st.integers(0, 3),
        "output_format": st.sampled_from(["png", "webp", "jpeg"]),
        "output_compression": st.integers(0, 100),
        "steps": st.integers(1, 5),
        "guidance": st.floats(-1, 9),
        "branch": st.sampled_from(["main", "main", "HEAD", "none", "HEAD~1", "@x"]),
        "quality": JSON,
    },
)


class OfFamily(FakeRuntime):
    """The rule-based runtime under the name of any family, so that any dialect is spoken to it."""

    family = "fake"

    @property
    def info(self):
        """The information of another family."""
        return replace(super().info, family=self.family)


@pytest.fixture(scope="module")
def http(tmp_path_factory):
    """A client of a real server on the rule-based runtime."""
    house = House(OfFamily(), Settings(data=tmp_path_factory.mktemp("data")))
    with running(house) as address, httpx.Client(base_url=address, timeout=10) as client:
        client.house = house
        yield client
    house.close()


def check(answer):
    """An answer, or a documented error that says what to do."""
    assert answer.status_code == 200 or 400 <= answer.status_code < 500, answer.text
    assert "server_error" not in answer.text
    if answer.status_code != 200:
        error = answer.json()["error"]
        assert error["message"]
        assert error["code"] in ("bad_input", "bad_image", "not_found", "forbidden", "too_large")


def post(http, path, body):
    """Send any value as JSON, also what is none."""
    data = json.dumps(body).encode()
    check(http.post(path, content=data, headers={"content-type": "application/json"}))


@BOUNDED
@given(CHAT, st.sampled_from(["fake", "embedded", "blip3o-next"]))
def test_no_dialogue_breaks_the_server(http, body, family):
    """Dialogues that are nearly right, in every dialect."""
    http.house.runtime.family = family
    post(http, "/v1/chat/completions", body)


@BOUNDED
@given(DRAWING)
def test_no_drawing_breaks_the_server(http, body):
    """Drawings that are nearly right."""
    post(http, "/v1/images/generations", body)


@BOUNDED
@given(JSON, st.sampled_from(["chat/completions", "images/generations", "images/edits"]))
def test_no_json_breaks_the_server(http, body, path):
    """Any JSON to any route."""
    post(http, f"/v1/{path}", body)


@BOUNDED
@given(
    st.dictionaries(
        st.sampled_from(["prompt", "n", "seed", "stream", "size", "image", "x"]), st.text(max_size=20)
    ),
    st.lists(
        st.tuples(st.sampled_from(["image", "image[]", "mask", "n"]), st.binary(max_size=50)), max_size=3
    ),
)
def test_no_upload_breaks_the_server(http, fields, files):
    """Any fields and files of a form."""
    sent = [(name, ("x", data)) for name, data in files]
    check(http.post("/v1/images/edits", data=fields, files=sent or None))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xff",
        b'{"prompt": "a", "prompt": NaN}',
        b'{"prompt": "\\ud800"}',
        b"[" * 100_000,
        b'{"model": "fake", "messages": [{"role": "user", "content": "x"}], "\\ud800": {"\\ud800": 2}}',
        b'{"model": "fake", "messages": [{"role": "user", "content": "x"}], "seed": ' + b"9" * 5000 + b"}",
    ],
)
@pytest.mark.parametrize("path", ["chat/completions", "images/generations"])
def test_no_bytes_break_the_server(http, data, path):
    """What is no JSON, or JSON with two meanings."""
    check(http.post(f"/v1/{path}", content=data, headers={"content-type": "application/json"}))
