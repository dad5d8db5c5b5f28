"""OpenAI's routes of pictures, through its own client over a real socket."""

import asyncio
import base64
import io
import time
import urllib.request
from itertools import count

import httpx
import numpy as np
import openai
import pytest
from PIL import Image

from sightline.server.access import LOCAL
from sightline.server.house import House
from sightline.server.serving import running
from sightline.server.settings import Settings
from sightline_runtime.errors import BusyError, EngineError
from sightline_runtime.testing import FakeRuntime, FaultyRuntime


def client_of(address, **options):
    """The official client of a server."""
    return openai.OpenAI(
        base_url=f"{address}/v1", api_key="none", timeout=20, **{"max_retries": 0, **options}
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A real server on the rule-based runtime for all tests of this file: (address, house)."""
    house = House(FakeRuntime(), Settings(data=tmp_path_factory.mktemp("data")))
    with running(house) as address:
        yield address, house
    house.close()


@pytest.fixture(scope="module")
def client(server):
    """The official client of that server."""
    with client_of(server[0]) as opened:
        yield opened


_seeds = count(1000)


def fresh(**more):
    """Extra fields with a seed that no other test uses: what was drawn once is found, not drawn, again."""
    return {"seed": next(_seeds), **more}


def opened(data):
    """A picture from its base64."""
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        picture.load()
    return picture


def png(pixels):
    """The file of a picture."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def star(client):
    """The file of a picture with a red star."""
    made = client.images.generate(prompt="a red star", extra_body={"seed": 3})
    return base64.b64decode(made.data[0].b64_json)


def test_a_picture_is_drawn(client):
    """The answer has OpenAI's form, and says where the picture stands in the session."""
    made = client.images.generate(model="fake", prompt="a red star", extra_body=fresh())
    assert opened(made.data[0].b64_json).size == (64, 64)
    assert (made.size, made.output_format, made.background) == ("64x64", "png", "opaque")
    assert made.usage.total_tokens == made.usage.input_tokens + made.usage.output_tokens > 0
    noted = made.data[0].model_extra["sightline"]
    assert (noted["session"], noted["branch"]) == ("openai", "main")
    assert noted["image"].startswith("img")
    assert made._request_id


def test_several_pictures_of_other_form_and_size(client):
    """`n`, `size` and `output_format` are honoured; WebP is without loss."""
    made = client.images.generate(prompt="a star", n=2, size="32x48", output_format="webp")
    assert [opened(each.b64_json).format for each in made.data] == ["WEBP"] * 2
    assert opened(made.data[0].b64_json).size == (32, 48)
    rough = client.images.generate(prompt="a star", n=1, output_format="jpeg", output_compression=10)
    assert opened(rough.data[0].b64_json).format == "JPEG"


def test_the_same_seed_gives_the_same_picture(client):
    """In any session, and again from the memo of the same one."""
    asked = [{"seed": 5}, {"seed": 5}, {"seed": 5, "session": "other"}, {"seed": 6}]
    made = [client.images.generate(prompt="a blue circle and a star", extra_body=body) for body in asked]
    digests = [each.data[0].model_extra["sightline"]["digest"] for each in made]
    assert digests[0] == digests[1] == digests[2] != digests[3]
    assert made[1].data[0].model_extra["sightline"]["cache"] == "hit"
    assert made[1].usage.total_tokens == 0


def test_every_door_draws_the_same(client, server):
    """The recipe of a picture is that of the same call in Python."""
    made = client.images.generate(prompt="a red star", n=2, extra_body={"seed": 5, "session": "a"})
    with server[1].tenants.session(LOCAL, "b") as session:
        drawn = session.generate("a red star", n=2, seed=5)
    with server[1].tenants.session(LOCAL, "a") as session:
        assert session.log(1)[0].recipe == drawn.step.recipe
    assert [f"sha256:{picture.ref.pixels}" for picture in drawn.images] == [
        each.model_extra["sightline"]["digest"] for each in made.data
    ]


def test_a_picture_by_url(client):
    """The link is absolute and leads to the same picture."""
    kinds = {"png": "PNG", "webp": "WEBP"}
    for form, name in kinds.items():
        made = client.images.generate(prompt="a star", response_format="url", output_format=form)
        with urllib.request.urlopen(made.data[0].url, timeout=10) as answer:
            data = answer.read()
        assert opened(base64.b64encode(data)).format == name


def test_pictures_stream(client):
    """Partial pictures come first, numbered, then the whole one with what it cost."""
    with client.images.generate(
        prompt="a star", stream=True, partial_images=2, extra_body=fresh(steps=9)
    ) as stream:
        events = list(stream)
    assert [event.type for event in events] == ["image_generation.partial_image"] * 2 + [
        "image_generation.completed"
    ]
    assert [event.partial_image_index for event in events[:2]] == [0, 1]
    assert opened(events[0].b64_json).size == opened(events[2].b64_json).size == (64, 64)
    assert events[2].usage.total_tokens > 0


def test_a_stream_without_partial_pictures(client):
    """Only the whole picture comes."""
    with client.images.generate(prompt="a star", stream=True) as stream:
        assert [event.type for event in stream] == ["image_generation.completed"]


@pytest.mark.parametrize("wrap", [io.BytesIO, bytes, lambda data: ("star.png", data, "text/html")])
def test_a_picture_is_edited(client, star, wrap):
    """As a file, as bytes without a name, and with a type that lies."""
    made = client.images.edit(image=wrap(star), prompt="make the star blue", n=2, extra_body=fresh())
    assert len(made.data) == 2
    assert int(made.data[0].model_extra["sightline"]["seed"]) >= 1000
    assert made.usage.input_tokens_details.text_tokens > 0
    with pytest.raises(openai.BadRequestError, match="one at a time"):
        client.images.edit(image=[star, star], prompt="join them")
    assert client.images.edit(image=[star], prompt="make the star blue").data


def test_edits_stream(client, star):
    """With the names of edits."""
    with client.images.edit(
        image=star, prompt="make it blue", stream=True, partial_images=1, extra_body=fresh()
    ) as stream:
        assert [event.type for event in stream] == ["image_edit.partial_image", "image_edit.completed"]


def test_a_mask_says_where(client, star):
    """Where the mask is opaque no pixel changes; where it is transparent some do."""
    before = np.asarray(opened(base64.b64encode(star)).convert("RGB"))
    alpha = np.full((64, 64, 4), 255, np.uint8)
    alpha[:, :32, 3] = 0
    made = client.images.edit(image=star, mask=png(alpha), prompt="change the background to black")
    after = np.asarray(opened(made.data[0].b64_json).convert("RGB"))
    assert (after[:, 32:] == before[:, 32:]).all()
    assert (after[:, :32] != before[:, :32]).any()
    for mask, fault in ((alpha[..., :3], "no transparent"), (alpha[:32], "the mask is")):
        with pytest.raises(openai.BadRequestError, match=fault):
            client.images.edit(image=star, mask=png(np.ascontiguousarray(mask)), prompt="make it black")


@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": " "}, "empty"),
        ({"n": 0}, "n:"),
        ({"n": 65}, "n:"),
        ({"size": "5000x1"}, "pixels a side"),
        ({"size": "4000x4000", "n": 2}, "more than"),
        ({"size": "wide"}, "size"),
        ({"background": "transparent"}, "transparent"),
        ({"output_format": "svg"}, "output_format"),
        ({"stream": True, "n": 2}, "stream"),
        ({"extra_body": {"seed": -1}}, "seed"),
        ({"extra_body": {"session": "../x"}}, "session"),
        ({"extra_body": {"frame_count": 4}}, "frame_count"),
    ],
)
def test_what_cannot_be_is_refused(client, asked, fault):
    """With a 400 that names what is wrong, before anything is computed."""
    with pytest.raises(openai.APIStatusError, match=fault) as caught:
        client.images.generate(**{"prompt": "a star"} | asked)
    assert caught.value.status_code in (400, 413)
    assert caught.value.body["hint"]


def test_what_is_not_honoured_is_named(client):
    """A quality that this model has not is told; what asks for nothing is not."""
    made = client.images.generate(
        prompt="a star", quality="high", user="me", moderation="low", extra_body={"sparkle": 1}
    )
    warnings = made.model_extra["warnings"]
    assert len(warnings) == 2
    assert "'quality'" in warnings[0]
    assert "'sparkle'" in warnings[1]
    assert "warnings" not in client.images.generate(prompt="a star", quality="auto").model_extra


def test_a_key_for_pictures_may_fetch_what_it_drew(keyed):
    """A picture by url is an artifact, which a key needs no other scope for."""
    address, _, add = keyed
    headers = add("painter", scopes=["images"])
    body = {"prompt": "a star", "response_format": "url"}
    made = httpx.post(f"{address}/v1/images/generations", json=body, headers=headers, timeout=10).json()
    assert httpx.get(made["data"][0]["url"], headers=headers, timeout=10).status_code == 200
    other = add("meter", scopes=["metrics"])
    assert httpx.get(made["data"][0]["url"], headers=other, timeout=10).status_code == 403


def test_pictures_of_the_usual_size_are_counted_too(serve):
    """All pictures of a request together are limited, whether or not it says how large they are."""
    with serve(max_pixels=3 * 64 * 64) as (address, _), client_of(address) as client:
        assert len(client.images.generate(prompt="a star", n=3).data) == 3
        with pytest.raises(openai.APIStatusError) as caught:
            client.images.generate(prompt="a star", n=4)
        assert caught.value.status_code == 413


def test_errors_are_the_clients_own(client, keyed):
    """Unknown models and branches, and unknown keys, raise what the client's users catch."""
    with pytest.raises(openai.NotFoundError, match="dall-e"):
        client.images.generate(prompt="a star", model="dall-e-9")
    with pytest.raises(openai.NotFoundError):
        client.images.generate(prompt="a star", extra_body={"branch": "none"})
    address, _, add = keyed
    with client_of(address) as stranger, pytest.raises(openai.AuthenticationError):
        stranger.images.generate(prompt="a star")
    token = add("narrow", scopes=frozenset({"chat"}))["authorization"].split()[1]
    with client_of(address) as narrow, pytest.raises(openai.PermissionDeniedError):
        narrow.with_options(api_key=token).images.generate(prompt="a star")


def test_a_busy_server_is_asked_again(serve, fake):
    """The client waits as long as it is told and then succeeds; without retries it says why not."""
    busy = FaultyRuntime(fake, {"generate_features": 2}, BusyError("full", retry_after=0.02))
    with serve(runtime=busy) as (address, _):
        with client_of(address) as client, pytest.raises(openai.RateLimitError) as caught:
            client.images.generate(prompt="a star")
        assert caught.value.response.headers["retry-after-ms"] == "20"
        with client_of(address, max_retries=2) as client:
            assert client.images.generate(prompt="a star").data


def test_an_error_in_a_stream_is_an_error(serve, fake):
    """Before the first event it has its status, after it the client raises all the same."""
    broken = FaultyRuntime(fake, {"generate_features": 1, "decode_features": 1}, EngineError("broken"))
    with serve(runtime=broken) as (address, _), client_of(address) as client:
        with pytest.raises(openai.InternalServerError):
            client.images.generate(prompt="a star", stream=True)
        with (
            pytest.raises(openai.APIError, match="broken"),
            client.images.generate(prompt="a star", stream=True, partial_images=1) as stream,
        ):
            list(stream)


def test_leaving_a_stream_stops_the_work(serve):
    """When the client closes the stream, no stage runs to its end behind it."""
    slow = FakeRuntime(delay=2.0)
    with serve(runtime=slow) as (address, house), client_of(address) as client:
        stream = client.images.generate(
            prompt="a star", stream=True, partial_images=3, extra_body={"steps": 100}
        )
        stream.close()
        ends = time.monotonic() + 5
        while house.crew.load and time.monotonic() < ends:
            time.sleep(0.02)
        assert house.crew.load == 0
        assert slow.calls == ["generate_features"]
        with house.tenants.session(LOCAL, "openai") as session:
            assert session.log() == []


def test_the_asynchronous_client(server):
    """It draws at the same time what is asked at the same time."""

    async def draw():
        async with openai.AsyncOpenAI(base_url=f"{server[0]}/v1", api_key="none", max_retries=0) as client:
            asked = [client.images.generate(prompt="a star", extra_body={"seed": seed}) for seed in range(4)]
            made = await asyncio.gather(*asked)
            stream = await client.images.generate(prompt="a star", stream=True)
            return made, [event.type async for event in stream]

    made, types = asyncio.run(draw())
    assert len({each.data[0].b64_json for each in made}) > 1
    assert types == ["image_generation.completed"]


def test_models(client):
    """There is one model, which tells what it is."""
    (model,) = client.models.list().data
    assert model.id == "fake"
    assert client.models.retrieve("fake").model_extra["sightline"]["family"] == "fake"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt/9")
