"""Sessions over HTTP: made, looked at, worked on by many clients at a time."""

from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import httpx
import numpy as np
import pytest
from PIL import Image

from sightline.session import Session
from sightline_runtime.testing import FakeRuntime, colored


@pytest.fixture
def client(tenant):
    """A client of a tenant that has the session `cats`."""
    assert tenant[1].post("/v1/sessions", json={"name": "cats", "seed": 7}).status_code == 201
    return tenant[1]


@pytest.fixture
def fake(crowd):
    """The runtime behind the server."""
    return crowd[2]


def call(client, tool, arguments, **more):
    """The answer of a tool call on `cats`."""
    answer = client.post(f"/v1/sessions/cats/tools/{tool}", json={"arguments": arguments, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(answer, status, code):
    """The error of a refused request, which is in the one form."""
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["code"] == code
    assert error["hint"]
    return error


def png(pixels):
    """A picture as a file."""
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_session_is_made_once(client):
    """The same name twice is the same session; another seed is a conflict; the list has it."""
    assert client.post("/v1/sessions", json={"name": "cats"}).status_code == 200
    assert client.post("/v1/sessions", json={"name": "cats", "seed": "7"}).json()["seed"] == "7"
    refused(client.post("/v1/sessions", json={"name": "cats", "seed": 8}), 409, "conflict")
    assert client.get("/v1/sessions").json() == {"sessions": ["cats"]}
    told = client.get("/v1/sessions/cats").json()
    assert told["head"] == {"branch": "main", "step": None}
    assert told["counts"] == {"steps": 0, "images": 0}


def test_every_door_builds_the_same_recipe(client):
    """A call over HTTP gives the pixels, the seeds and the recipe that the same call gives in Python."""
    drawn = call(client, "generate", {"prompt": "a red circle", "n": 2})["step"]
    with Session(runtime=FakeRuntime(), seed=7) as local:
        same = local.generate("a red circle", n=2)
    assert drawn["recipe"] == same.step.recipe
    assert drawn["seeds"] == [str(seed) for seed in same.seeds]
    assert [image["digest"] for image in drawn["images"]] == [f"sha256:{p.ref.pixels}" for p in same.images]


def test_a_chain_of_calls_names_its_pictures(client):
    """Pictures are given by short name, by digest or as the last one; answers come as values."""
    first = call(client, "generate", {"prompt": "a red circle"})
    edited = call(client, "edit", {"image": "img1", "instruction": "make the circle green"})
    assert edited["step"]["data_parents"] == [first["step"]["id"]]
    asked = call(client, "understand", {"image": "last", "question": "what color is the circle ?"})
    assert asked["step"]["values"]["text"] == "green"
    digest = first["step"]["images"][0]["digest"]
    grid = call(client, "grid", {"images": ["img1", digest, "last"]})
    assert grid["step"]["images"][0]["alias"] == "img3"
    assert call(client, "generate", {"prompt": "a red circle"})["cache"]["status"] == "hit"


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("crop", {"image": "/etc/passwd", "box": [0, 0, 1, 1]}),
        ("crop", {"image": {"pixels": "0" * 64}, "box": [0, 0, 1, 1]}),
        ("crop", {"image": ["img1"], "box": [0, 0, 1, 1]}),
        ("grid", {"images": ["img1", "../../secret.png"]}),
        ("grid", {"images": "img1"}),
        ("edit", {"image": "img1", "instruction": "x", "region": "/etc/passwd"}),
        ("edit", {"image": "img1", "instruction": "x", "region": {"mask": "file:///etc/passwd"}}),
        ("crop", {"image": "img1", "box": [0, 0, 1]}),
        ("generate", {"prompt": "a star", "shape": "round"}),
        ("generate", {"prompt": " "}),
    ],
)
def test_wrong_arguments_are_told_before_anything_runs(client, fake, tool, arguments):
    """No text opens a file; what is wrong is a 400 with what to do, and nothing is computed."""
    call(client, "generate", {"prompt": "a red circle"})
    before = list(fake.calls)
    answer = client.post(f"/v1/sessions/cats/tools/{tool}", json={"arguments": arguments})
    assert "passwd" not in refused(answer, 400, "bad_input")["hint"]
    assert answer.headers["x-should-retry"] == "false"
    assert fake.calls == before


def test_what_is_not_there_is_told(client):
    """Unknown sessions, tools, pictures and steps are 404, with what is there."""
    refused(client.post("/v1/sessions/dogs/tools/generate", json={}), 404, "not_found")
    near = client.post("/v1/sessions/cats/tools/genrate", json={"arguments": {"prompt": "x"}})
    assert "generate" in refused(near, 404, "not_found")["hint"]
    lost = {"arguments": {"image": "img9", "box": [0, 0, 1, 1]}}
    refused(client.post("/v1/sessions/cats/tools/crop", json=lost), 404, "not_found")
    refused(client.get("/v1/sessions/cats/steps/abcdef"), 404, "not_found")
    refused(client.get("/v1/sessions/..%2fcats"), 404, "not_found")
    refused(client.get("/v1/sessions/CATS"), 400, "bad_input")


def test_the_tools_are_told(client):
    """Every tool has a schema in which a picture is a name, and nothing that no client can give."""
    tools = {tool["name"]: tool for tool in client.get("/v1/tools").json()["tools"]}
    assert {"generate", "edit", "understand", "crop"} <= set(tools)
    assert tools["edit"]["arguments"]["properties"]["image"]["type"] == "string"
    assert (tools["generate"]["takes_seed"], tools["crop"]["takes_seed"]) == (True, False)


def test_only_so_much_is_drawn_at_a_time(client):
    """All pictures of a call together are limited, whichever door it came through."""
    asked = {"arguments": {"prompt": "a red circle", "n": 64, "size": [4096, 4096]}}
    refused(client.post("/v1/sessions/cats/tools/generate", json=asked), 413, "too_large")


def test_a_seed_is_for_what_draws(client):
    """A seed, as a number or as digits, gives the same picture; a tool that draws nothing takes none."""
    one = call(client, "generate", {"prompt": "a star"}, seed=2**62 + 1)["step"]
    assert (
        call(client, "generate", {"prompt": "a star"}, seed=str(2**62 + 1))["step"]["seeds"] == one["seeds"]
    )
    crop = {"arguments": {"image": "img1", "box": [0, 0, 1, 1]}, "seed": 1}
    refused(client.post("/v1/sessions/cats/tools/crop", json=crop), 400, "bad_input")


def test_a_call_goes_where_it_says(client):
    """On a branch, or at the step of the last answer; from an older step a new branch parts; HEAD stays."""
    first = call(client, "generate", {"prompt": "a red circle"})["step"]["id"]
    client.post("/v1/sessions/cats/branches", json={"name": "alt/1"})
    other = call(client, "edit", {"image": "img1", "instruction": "make the circle green"}, at="alt/1")
    assert other["branch"] == "alt/1"
    assert client.get("/v1/sessions/cats").json()["head"] == {"branch": "main", "step": first}
    on = call(client, "understand", {"image": "last", "question": "what color ?"}, at=other["step"]["id"])
    assert on["branch"] == "alt/1"
    parted = call(client, "resize", {"image": "last", "scale": 0.5}, at=other["step"]["id"][:12])
    assert parted["branch"] == f"at-{other['step']['id'][:8]}"
    assert parted["step"]["parent"] == other["step"]["id"]
    assert client.get("/v1/sessions/cats").json()["head"]["branch"] == "main"


def test_a_stale_client_is_told_both_heads(client, fake):
    """Who expects a branch elsewhere gets 409 with where it is, is not to retry, and moves nothing."""
    first = call(client, "generate", {"prompt": "a red circle"})["step"]["id"]
    second = call(client, "generate", {"prompt": "a blue star"}, expect=first)["step"]["id"]
    before = list(fake.calls)
    body = {"arguments": {"prompt": "a ring"}, "expect": first}
    answer = client.post("/v1/sessions/cats/tools/generate", json=body)
    told = refused(answer, 409, "stale_head")["message"]
    assert first in told
    assert second in told
    assert answer.headers["x-should-retry"] == "false"
    assert fake.calls == before
    refused(client.post("/v1/sessions/cats/undo", json={"expect": first}), 409, "stale_head")
    assert client.get("/v1/sessions/cats").json()["head"]["step"] == second


def test_two_clients_share_a_branch(crowd, tenant, client):
    """Parallel calls of two clients on one branch all end on it, one after the other; the store is whole."""
    address, house = crowd[:2]

    def draw(number):
        return call(clients[number % 2], "generate", {"prompt": f"a red circle number {number}"}, at="main")

    with (
        httpx.Client(base_url=address, headers=client.headers, timeout=10) as second,
        ThreadPoolExecutor(8) as pool,
    ):
        clients = (client, second)
        made = {answer["step"]["id"] for answer in pool.map(draw, range(16))}
    line = [step["id"] for step in client.get("/v1/sessions/cats/log").json()["steps"]]
    assert set(line) == made
    assert len(line) == 16
    with house.tenants.session(tenant[0], "cats") as session:
        assert session.verify_store().problems == ()


def test_branches_move_and_come_back(client):
    """Undo, redo, tags, checkout and drop do what the verbs do."""
    first = call(client, "generate", {"prompt": "a red circle"})["step"]["id"]
    second = call(client, "generate", {"prompt": "a blue star"})["step"]["id"]
    assert client.post("/v1/sessions/cats/undo", json={}).json() == {"name": "main", "step": first}
    assert client.post("/v1/sessions/cats/redo").json()["step"] == second
    tag = client.post("/v1/sessions/cats/tags", json={"name": "good", "at": "HEAD~1"})
    assert (tag.status_code, tag.json()["step"]) == (201, first)
    assert client.get("/v1/sessions/cats/steps/@good").json()["id"] == first
    client.post("/v1/sessions/cats/branches", json={"name": "try", "at": "@good"})
    told = client.post("/v1/sessions/cats/checkout", json={"branch": "try"}).json()
    assert told == {"branch": "try", "step": first}
    refused(client.delete("/v1/sessions/cats/branches/try"), 400, "bad_input")
    assert "main" not in client.delete("/v1/sessions/cats/branches/main").json()["branches"]
    refused(client.post("/v1/sessions/cats/undo", json={"n": 5}), 400, "bad_input")


def test_what_is_refused_leaves_no_branch(client):
    """A branch is named to be moved, not a step; a call that is wrong or fails parts from nothing."""
    first = call(client, "generate", {"prompt": "a red circle"})["step"]["id"]
    call(client, "generate", {"prompt": "a blue star"})
    refused(client.post("/v1/sessions/cats/undo", json={"branch": first}), 404, "not_found")
    wrong = {"arguments": {"n": 0}, "at": first}
    refused(client.post("/v1/sessions/cats/tools/generate", json=wrong), 400, "bad_input")
    long = {"prompt": "a star " * 50_000, "session": "cats", "branch": first}
    assert client.post("/v1/images/generations", json=long).status_code == 400
    said = [{"role": "user", "content": "hello"}]
    spoken = {"model": "fake", "messages": said, "session": "cats", "branch": first}
    assert client.post("/v1/chat/completions", json=spoken).status_code == 200
    assert list(client.get("/v1/sessions/cats").json()["branches"]) == ["main"]


def test_a_body_that_is_no_json_is_told_where(client):
    """The place of the fault, in words."""
    answer = client.post("/v1/sessions", content=b'{"name": ', headers={"content-type": "application/json"})
    assert "no JSON" in refused(answer, 400, "bad_input")["message"]
    assert "character 9" in answer.json()["error"]["message"]
    form = client.post("/v1/sessions", data={"name": "dogs"})
    assert "application/json" in refused(form, 400, "bad_input")["hint"]


def test_the_past_is_told(client):
    """The tree, the log with its filters, and a step have what was done, pictures by name and link."""
    call(client, "generate", {"prompt": "a red circle"})
    call(client, "understand", {"image": "last", "question": "what color is the circle ?"})
    tree = client.get("/v1/sessions/cats/tree").json()
    assert [node["tool"] for node in tree["nodes"]] == ["generate", "understand"]
    assert tree["nodes"][1]["branches"] == ["main"]
    assert "a red circle" in tree["text"]
    steps = client.get("/v1/sessions/cats/log", params={"tool": "understand"}).json()["steps"]
    assert [step["values"]["text"] for step in steps] == ["red"]
    assert len(client.get("/v1/sessions/cats/log", params={"limit": 1}).json()["steps"]) == 1
    assert client.get("/v1/sessions/cats/log", params={"text": "ring"}).json() == {"steps": []}
    step = client.get("/v1/sessions/cats/steps/img1").json()
    assert step["arguments"]["prompt"] == "a red circle"
    assert client.get(step["images"][0]["url"]).headers["content-type"] == "image/png"


def test_a_report_runs_and_loads_nothing(client):
    """The page holds all that it shows, names are escaped, and its policy forbids everything else."""
    call(client, "generate", {"prompt": "<script>alert(1)</script> a red circle"})
    page = client.get("/v1/sessions/cats/report")
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "<script" not in page.text
    assert "<title>cats</title>" in page.text


def test_pictures_are_brought_in(client):
    """A body or a part of a form becomes a step; the same pixels are the same picture."""
    file = png(colored("red", 32))
    raw = client.post("/v1/sessions/cats/images", content=file, headers={"content-type": "image/png"}).json()
    form = client.post("/v1/sessions/cats/images", files={"image": ("../../x.exe", file)}).json()
    assert raw["step"]["tool"] == "add"
    assert raw["step"]["images"] == form["step"]["images"]
    head = b'--x\r\ncontent-disposition: form-data; name="image"; filename="a"\r\n\r\n'
    capitals = {"content-type": "Multipart/Form-Data; boundary=x"}
    body = head + file + b"\r\n--x--\r\n"
    again = client.post("/v1/sessions/cats/images", content=body, headers=capitals).json()
    assert raw["step"]["images"] == again["step"]["images"]
    client.post("/v1/sessions/cats/branches", json={"name": "alt"})
    other = png(colored("blue", 16))
    on = client.post("/v1/sessions/cats/images", content=other, params={"at": "alt"}).json()
    assert (on["branch"], on["step"]["images"][0]["width"]) == ("alt", 16)


def test_what_is_no_picture_is_refused(serve):
    """Nonsense, half a file, an empty body, a form without a file, too many bytes or pixels."""
    with serve(max_upload=3000, max_pixels=5000) as (address, _), httpx.Client(base_url=address) as client:
        client.post("/v1/sessions", json={"name": "cats"})
        whole = png(np.random.default_rng(1).integers(0, 255, (20, 20, 3), np.uint8))
        images = "/v1/sessions/cats/images"
        refused(client.post(images, content=b"nonsense"), 400, "bad_image")
        refused(client.post(images, content=whole[: len(whole) // 2]), 400, "bad_image")
        refused(client.post(images), 400, "bad_input")
        refused(client.post(images, files={"other": ("x", whole)}), 400, "bad_input")
        refused(client.post(images, content=b"x" * 4000), 413, "too_large")
        refused(client.post(images, files={"image": ("x", b"x" * 4000)}), 413, "too_large")
        refused(client.post(images, content=png(colored("red", 100))), 413, "too_large")
        assert client.post(images, content=whole).status_code == 200
        assert client.get("/v1/sessions/cats").json()["counts"]["steps"] == 1


def test_tenants_do_not_see_each_other(crowd):
    """Sessions of one name in two tenants are two sessions, and what one holds is not there for the other."""
    address, _, _, new = crowd
    alice, bob = new()[1], new()[1]
    with httpx.Client(base_url=address, timeout=10) as client:
        for who in (alice, bob):
            client.post("/v1/sessions", json={"name": "cats"}, headers=who)
        path, body = "/v1/sessions/cats/tools/generate", {"arguments": {"prompt": "a red circle"}}
        made = client.post(path, json=body, headers=alice)
        step = made.json()["step"]
        url = step["images"][0]["url"]
        assert client.get(url, headers=alice).status_code == 200
        refused(client.get(url, headers=bob), 404, "not_found")
        refused(client.get(f"/v1/sessions/cats/steps/{step['id']}", headers=bob), 404, "not_found")
        refused(client.get(f"/v1/runs/{made.headers['x-run-id']}", headers=bob), 404, "not_found")
        assert client.get("/v1/sessions/cats", headers=bob).json()["counts"]["steps"] == 0
        refused(client.get("/v1/sessions/cats"), 401, "unauthorized")


def test_a_key_needs_the_scope(keyed):
    """A key for other things opens no session."""
    address, _, add = keyed
    answer = httpx.get(f"{address}/v1/sessions", headers=add("carol", scopes=["chat"]), timeout=10)
    refused(answer, 403, "forbidden")
