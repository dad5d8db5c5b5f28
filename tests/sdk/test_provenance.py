"""Lineages in picture files: written whole, read within bounds, believed only where they match the pixels."""

import io
import json
import struct
import zlib
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sightline import provenance
from sightline.errors import ImageError, InputError, NotFoundError
from sightline.lineage import CAP, Lineage, LineageStep, fitted, parsed, text_of
from sightline_tools.image import pixel_digest

PIXELS = np.random.default_rng(1).integers(0, 256, (9, 7, 3), np.uint8)


def lineage(pixels=PIXELS, prompts=("a red star",)):
    """A lineage of one drawing and its edits."""
    digests = [f"{number:064x}" for number in range(len(prompts) - 1)] + [pixel_digest(pixels)]
    steps = [
        LineageStep(
            tool="edit" if number else "generate",
            version="1",
            args={"prompt": prompt} | ({"image": {"$image": digests[number - 1]}} if number else {}),
            images=(digests[number],),
            seeds=("9223372036854775807",),
            fingerprint="f" * 64,
            model="embedded",
        )
        for number, prompt in enumerate(prompts)
    ]
    return Lineage(pixels=digests[-1], steps=tuple(steps), verified=True)


@pytest.mark.parametrize("ending", ["png", "webp"])
@pytest.mark.parametrize("channels", [3, 4])
def test_a_file_holds_its_lineage(tmp_path, ending, channels):
    """PNG and WebP give back what was written, verified; the pixels are the same to the bit."""
    pixels = np.random.default_rng(2).integers(0, 256, (9, 7, channels), np.uint8)
    told = lineage(pixels, ("a “red” <star> & \ud7ff \ufffe 猫", "make it blue"))
    provenance.save(pixels, tmp_path / f"a.{ending}", told)
    assert provenance.read(tmp_path / f"a.{ending}") == told
    assert (np.asarray(Image.open(tmp_path / f"a.{ending}")) == pixels).all()


def test_an_opaque_picture_with_alpha_is_still_itself(tmp_path):
    """Reading drops an alpha that says nothing; the lineage names the pixels with it."""
    pixels = np.dstack([PIXELS, np.full(PIXELS.shape[:2], 255, np.uint8)])
    provenance.save(pixels, tmp_path / "a.png", lineage(pixels))
    assert provenance.read(tmp_path / "a.png").verified


def test_the_places_are_the_standard_ones(tmp_path):
    """Any program finds the text: Pillow lists it in a PNG, and XMP in a WebP."""
    for ending, place in (("png", provenance.KEYWORD), ("webp", "xmp")):
        provenance.save(PIXELS, tmp_path / f"a.{ending}", lineage())
        with Image.open(tmp_path / f"a.{ending}") as picture:
            assert "a red star" in str(picture.info[place])
    packet = ElementTree.fromstring(picture.info["xmp"].decode().split("?>", 1)[1].rsplit("<?", 1)[0])
    (told,) = packet.iter("{urn:sightline:lineage:1}lineage")
    assert told.text == text_of(lineage())


@pytest.mark.parametrize("ending", ["png", "webp"])
def test_a_file_without_lineage_says_so(tmp_path, ending):
    """None written, none found; nor is there a file that is not there."""
    provenance.save(PIXELS, tmp_path / f"a.{ending}", None)
    assert b"lineage" not in (tmp_path / f"a.{ending}").read_bytes()
    with pytest.raises(NotFoundError, match="holds no lineage"):
        provenance.read(tmp_path / f"a.{ending}")
    with pytest.raises(NotFoundError, match="there is no file"):
        provenance.read(tmp_path / "b.png")


@pytest.mark.parametrize(
    ("ending", "told"), [("jpg", "JPEG changes the pixels"), ("bmp", "BMP holds no lineage")]
)
def test_formats_that_hold_none_warn(tmp_path, ending, told):
    """The picture is saved, and the warning says what is lost; asked for none, there is no warning."""
    with pytest.warns(UserWarning, match=told):
        provenance.save(PIXELS, tmp_path / f"a.{ending}", lineage())
    provenance.save(PIXELS, tmp_path / f"a.{ending}", None)
    with pytest.raises(NotFoundError, match="holds no lineage"):
        provenance.read(tmp_path / f"a.{ending}")


def test_a_file_that_cannot_be_written_is_an_input_error(tmp_path):
    """An unknown ending, and a folder in the place of the file."""
    (tmp_path / "b.png").mkdir()
    for name in ("a.nonsense", "b.png"):
        with pytest.raises(InputError, match="cannot be saved"):
            provenance.save(PIXELS, tmp_path / name, lineage())


def test_a_long_lineage_keeps_its_newest_part(tmp_path):
    """Beyond the cap the oldest steps go, and the file says how many."""
    long = lineage(prompts=[f"{n} " + "x" * 30_000 for n in range(20)])
    with pytest.warns(UserWarning, match="its 12 oldest steps were left out"):
        provenance.save(PIXELS, tmp_path / "a.png", long)
    found = provenance.read(tmp_path / "a.png")
    assert (found.left_out, found.steps) == (12, long.steps[12:])
    assert found.verified
    assert found.missing() == (long.steps[11].images[0],)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), min_size=1, max_size=5),
    st.integers(600, 2000),
)
def test_every_text_is_read_back_and_fits(prompts, cap):
    """Whatever the words, text and lineage are two forms of one thing, no longer than the cap."""
    told = lineage(prompts=prompts)
    assert parsed(text_of(told), [told.pixels]) == told
    short = fitted(told, cap)
    assert len(text_of(short).encode()) <= cap
    assert short.left_out + len(short.steps) == len(prompts)


def test_another_picture_is_not_verified(tmp_path):
    """A lineage that travels with changed pixels is told, but not believed; so is one that was changed."""
    provenance.save(255 - PIXELS, tmp_path / "a.png", lineage())
    assert not provenance.read(tmp_path / "a.png").verified
    text = text_of(lineage())
    assert parsed(text, [lineage().pixels]).verified
    assert not parsed(text.replace("red", "bad"), [lineage().pixels]).verified


def test_a_record_whose_last_step_made_something_else_is_not_verified():
    """The record is whole and names the right pixels, but no step of it made them."""
    other = lineage(255 - PIXELS)
    assert not parsed(
        text_of(other.model_copy(update={"pixels": lineage().pixels})), [lineage().pixels]
    ).verified


def with_text(body, kind=b"iTXt"):
    """A PNG with a chunk before its pixels."""
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, "PNG")
    data = buffer.getvalue()
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return data[:33] + chunk + data[33:]


def record(text, packed=False):
    """The body of an iTXt chunk."""
    head = provenance.KEYWORD.encode() + (b"\0\1\0" if packed else b"\0\0\0") + b"\0\0"
    return head + (zlib.compress(text, 9) if packed else text)


def test_a_text_that_another_program_compressed_is_read(tmp_path):
    """The chunk may be packed, within the same bounds."""
    (tmp_path / "a.png").write_bytes(with_text(record(text_of(lineage()).encode(), packed=True)))
    assert provenance.read(tmp_path / "a.png").verified


GOOD = json.loads(text_of(lineage()))
HOSTILE = {
    "huge": record(b" " * (CAP + 1)),
    "a bomb": record(b" " * 50_000_000, packed=True),
    "a broken packing": record(b"", packed=True)[:-4] + b"junk",
    "deep lists": record(b"[" * 200_000),
    "deep arguments": record(
        text_of(lineage()).encode().replace(b'"a red star"', b"[" * 100_000 + b"]" * 100_000)
    ),
    "not text": record(b"\xff\xfe{}"),
    "not JSON": record(b"{"),
    "a list": record(b"[]"),
    "a number": record(b"9" * 5000),
    "another schema": record(json.dumps(GOOD | {"schema": "sightline.lineage/9"}).encode()),
    "a name twice": record(b'{"schema":"sightline.lineage/1","schema":"sightline.lineage/1"}'),
    "a fraction": record(json.dumps(GOOD | {"left_out": 0.5}).encode()),
    "not a number": record(b'{"schema":NaN}'),
    "below nothing": record(json.dumps(GOOD | {"left_out": -1}).encode()),
    "a digest that is none": record(json.dumps(GOOD | {"pixels": "../../etc"}).encode()),
    "steps that are text": record(json.dumps(GOOD | {"steps": "all of them"}).encode()),
    "a step with more": record(json.dumps(GOOD | {"steps": [GOOD["steps"][0] | {"path": "/"}]}).encode()),
    "a step without pictures": record(
        json.dumps(GOOD | {"steps": [GOOD["steps"][0] | {"images": []}]}).encode()
    ),
    "a seed that is a number": record(
        json.dumps(GOOD | {"steps": [GOOD["steps"][0] | {"seeds": [1]}]}).encode()
    ),
    "half a character": record(
        json.dumps(GOOD | {"steps": [GOOD["steps"][0] | {"tool": "\ud800"}]}).encode()
    ),
    "no body": provenance.KEYWORD.encode() + b"\0\0",
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_stands_there_instead_of_a_lineage_is_an_image_error(tmp_path, body):
    """Too large, too deep, not what it should be: one error, quickly."""
    (tmp_path / "a.png").write_bytes(with_text(body))
    with pytest.raises(ImageError) as caught:
        provenance.read(tmp_path / "a.png")
    assert caught.value.hint


def test_two_lineages_are_one_too_many(tmp_path):
    """A file that says two things is refused."""
    body = record(text_of(lineage()).encode())
    data = with_text(body)
    chunk = struct.pack(">I", len(body)) + b"iTXt" + body + struct.pack(">I", zlib.crc32(b"iTXt" + body))
    (tmp_path / "a.png").write_bytes(data[:33] + chunk + data[33:])
    with pytest.raises(ImageError, match="holds 2 lineages"):
        provenance.read(tmp_path / "a.png")


def test_a_webp_is_as_bounded(tmp_path):
    """A packet that is too long, or cut short, is an error."""
    provenance.save(PIXELS, tmp_path / "a.webp", lineage())
    data = (tmp_path / "a.webp").read_bytes()
    (tmp_path / "b.webp").write_bytes(data.replace(b'"a red star"', b'"a red star,'))
    with pytest.raises(ImageError, match="cannot be read"):
        provenance.read(tmp_path / "b.webp")
    long = b"<sightline:lineage>" + b" " * (6 * CAP)
    Image.fromarray(PIXELS).save(tmp_path / "c.webp", lossless=True, xmp=long)
    with pytest.raises(ImageError, match="too long"):
        provenance.read(tmp_path / "c.webp")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_files_are_an_error_or_not_verified(tmp_path_factory, data):
    """Random bytes changed anywhere: an error of the tree, an unverified lineage, or the lineage itself."""
    file = tmp_path_factory.getbasetemp() / "damaged.png"
    whole = with_text(record(text_of(lineage()).encode()))
    at = data.draw(st.integers(0, len(whole) - 1))
    file.write_bytes(whole[:at] + data.draw(st.binary(max_size=3)) + whole[at + 1 :])
    try:
        found = provenance.read(file)
    except InputError:
        return
    assert found == lineage() or not found.verified
