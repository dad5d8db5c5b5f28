"""Artifacts: pictures by digest, with what browsers and caches expect, and nothing of another tenant."""

import hashlib
from io import BytesIO

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sightline_tools.image import decode_png, pixel_digest


@pytest.fixture(scope="module")
def picture(crowd):
    """A client, the path of a picture it made, and the file."""
    address, _, _, new = crowd
    with httpx.Client(base_url=address, headers=new()[1], timeout=10) as client:
        client.post("/v1/sessions", json={"name": "cats", "seed": 7})
        body = {"arguments": {"prompt": "a red circle"}}
        made = client.post("/v1/sessions/cats/tools/generate", json=body).json()
        path = made["step"]["images"][0]["url"]
        yield client, path, client.get(path).content


def test_a_picture_is_what_its_digest_says(picture):
    """The digest of the pixels and that of the file name the same picture, to the bit."""
    client, path, file = picture
    assert pixel_digest(decode_png(file)) == path.rsplit("/")[-1]
    blob = hashlib.sha256(file).hexdigest()
    for name in (blob, f"sha256:{blob}", f"sha256:{path.rsplit('/')[-1]}"):
        assert client.get(f"/v1/artifacts/{name}").content == file


def test_a_picture_is_cached_for_good(picture):
    """A strong tag, immutable, inline under a safe name, and 304 to who has it."""
    client, path, _ = picture
    told = client.get(path).headers
    assert told["etag"].startswith('"')
    assert told["cache-control"] == "private, max-age=31536000, immutable"
    assert told["content-type"] == "image/png"
    assert told["x-content-type-options"] == "nosniff"
    assert told["content-disposition"].startswith('inline; filename="sightline-')
    for known in (told["etag"], f'"other", W/{told["etag"]}', "*"):
        again = client.get(path, headers={"if-none-match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", told["etag"])
    assert client.get(path, headers={"if-none-match": '"other"'}).status_code == 200


def test_a_head_tells_what_a_get_would(picture):
    """HEAD has the same headers and no body."""
    client, path, file = picture
    told = client.head(path)
    assert (told.status_code, told.content) == (200, b"")
    assert told.headers["content-length"] == str(len(file))
    assert told.headers["etag"] == client.get(path).headers["etag"]


@settings(max_examples=40, deadline=None)
@given(first=st.integers(0, 500), length=st.integers(0, 500), form=st.sampled_from(["both", "open", "last"]))
def test_parts_are_parts(picture, first, length, form):
    """Any range gives those bytes of the file and says which, or 416 with the size where there are none."""
    client, path, file = picture
    last = first + length
    asked = {"both": f"{first}-{last}", "open": f"{first}-", "last": f"-{length}"}[form]
    part = {"both": file[first : last + 1], "open": file[first:], "last": file[-length:] if length else b""}
    answer = client.get(path, headers={"range": f"bytes={asked}"})
    if part[form]:
        begins = len(file) - len(part[form]) if form == "last" else first
        assert answer.status_code == 206
        assert answer.content == part[form]
        told = f"bytes {begins}-{begins + len(part[form]) - 1}/{len(file)}"
        assert answer.headers["content-range"] == told
    else:
        assert answer.status_code == 416
        assert answer.headers["content-range"] == f"bytes */{len(file)}"


def test_a_range_of_another_file_is_the_whole(picture):
    """If-Range with another tag, several ranges, or what is no range gives all of it."""
    client, path, file = picture
    for headers in (
        {"range": "bytes=0-3", "if-range": '"other"'},
        {"range": "bytes=0-3,5-7"},
        {"range": "bytes=-"},
        {"range": "bytes=9-3"},
        {"range": "lines=0-3"},
    ):
        answer = client.get(path, headers=headers)
        assert (answer.status_code, answer.content) == (200, file), headers
    same = client.get(path).headers["etag"]
    assert client.get(path, headers={"range": "bytes=0-3", "if-range": same}).content == file[:4]


@pytest.mark.parametrize("form", ["webp", "jpeg", "png"])
def test_a_smaller_picture_in_another_form(picture, form):
    """A preview has the form and the longest side that were asked for, and a tag of its own."""
    client, path, _ = picture
    answer = client.get(path, params={"format": form, "edge": 32})
    assert answer.headers["content-type"] == f"image/{form}"
    with Image.open(BytesIO(answer.content)) as small:
        assert (small.format.lower(), small.size) == (form, (32, 32))
    assert answer.headers["etag"] != client.get(path).headers["etag"]
    known = client.get(
        path, params={"format": form, "edge": 32}, headers={"if-none-match": answer.headers["etag"]}
    )
    assert known.status_code == 304
    assert client.get(path, params={"edge": 2048}).status_code == 200
    for wrong in ({"format": "svg"}, {"edge": 0}, {"edge": 100000}):
        assert client.get(path, params=wrong).status_code == 400


def test_what_is_not_held_is_not_there(crowd, picture):
    """Unknown digests, names that are none, and another tenant's pictures give one and the same answer."""
    client, path, _ = picture
    unknown = client.get(f"/v1/artifacts/{'0' * 64}")
    assert unknown.status_code == 404
    for name in (
        "..%2f..%2fsession.db",
        "img1",
        "0" * 63,
        "sha256:" + "0" * 10,
        path.rsplit("/")[-1].upper(),
    ):
        answer = client.get(f"/v1/artifacts/{name}")
        assert answer.status_code == 404, name
    stranger = httpx.get(f"{crowd[0]}{path}", headers=crowd[3]()[1], timeout=10)
    assert (stranger.status_code, stranger.json()) == (404, unknown.json())
    tag = client.get(path).headers["etag"]
    asked = {"if-none-match": tag} | crowd[3]()[1]
    assert httpx.get(f"{crowd[0]}{path}", headers=asked, timeout=10).status_code == 404
