"""Pictures of strangers: what they are is read from their bytes, and bombs are refused before they go off."""

import io
import struct
import time
import zlib
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sightline.errors import ImageError, InputError, TooLargeError
from sightline.server.pictures import read_upload
from sightline.server.settings import Settings

SMALL = Settings(max_pixels=10_000, max_upload=200_000)


def chunk(kind, data):
    """A chunk of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, *chunks, rows=None):
    """A PNG file with a header that says what it likes."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    body = zlib.compress(b"\0" * ((3 * width + 1) * height) if rows is None else rows, 9)
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def saved(form, size=(40, 30), **options):
    """A picture as a file of a format."""
    buffer = io.BytesIO()
    Image.fromarray(np.full((*size[::-1], 3), 200, np.uint8)).save(buffer, form, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF"])
def test_four_formats_are_read(form):
    """As upright pixels."""
    assert read_upload(SMALL, saved(form)).shape == (30, 40, 3)


@pytest.mark.parametrize(
    "form", ["BMP", "TIFF", "ICO", "PPM", "TGA", "PDF", "EPS", "SGI", "DDS", "PCX", "MSP"]
)
def test_other_formats_are_refused_though_pillow_reads_them(form):
    """Few decoders, and none that starts another program."""
    buffer = io.BytesIO()
    Image.new("1" if form == "MSP" else "RGB", (16, 16)).save(buffer, form)
    with pytest.raises(ImageError, match="not a picture"):
        read_upload(SMALL, buffer.getvalue())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n(%pipe%id) (w) file\n",
        b"push graphic-context\nviewbox 0 0 1 1\n",
        b"GIF89a",
        b"\xff\xd8\xff",
        b"RIFF\x00\x00\x00\x00WEBP",
        saved("PNG")[:60],
        saved("JPEG")[:200],
        saved("WEBP")[:40],
    ],
)
def test_what_is_no_whole_picture_is_refused(data):
    """Scripts, vectors, and files that are cut short."""
    with pytest.raises(ImageError):
        read_upload(SMALL, data)


@pytest.mark.parametrize("size", [(101, 100), (60_000, 60_000), (2**31 - 1, 2**31 - 1), (1, 10_001)])
def test_a_picture_is_measured_before_it_is_decoded(size):
    """A kilobyte that says it is gigapixels is refused at once."""
    started = time.monotonic()
    with pytest.raises(InputError):
        read_upload(SMALL, png(*size, rows=b"\0" * 1000))
    assert time.monotonic() - started < 20


def test_a_file_is_measured_before_it_is_read():
    """By its bytes."""
    with pytest.raises(TooLargeError, match="more than 200,000"):
        read_upload(SMALL, saved("PNG") + b"\0" * 200_000)


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_what_unpacks_to_much_more_than_it_is_does_no_harm(kind):
    """A text or profile of a PNG that is a bomb: refused, or left out, without the memory it asks for."""
    bomb = zlib.compress(b"\0" * 50_000_000, 9)
    heads = {b"zTXt": b"a\0\0", b"iTXt": b"a\0\1\0\0\0", b"iCCP": b"a\0\0"}
    data = png(10, 10, chunk(kind, heads[kind] + bomb))
    started = time.monotonic()
    with suppress(ImageError):
        assert read_upload(SMALL, data).shape == (10, 10, 3)
    assert time.monotonic() - started < 20


def test_pixels_that_unpack_to_more_than_the_header_says_are_cut():
    """The decoder stops where the picture is full."""
    started = time.monotonic()
    data = png(10, 10, rows=b"\0" * 100_000_000)
    assert read_upload(SMALL, data).shape == (10, 10, 3)
    assert time.monotonic() - started < 20


def test_a_jpeg_of_a_thousand_scans_is_refused():
    """Each scan is a pass over the whole picture."""
    data = saved("JPEG", progressive=True)
    start = data.index(b"\xff\xda")
    scan = data[start : data.index(b"\xff\xda", start + 2)]
    with pytest.raises(ImageError, match="too many scans"):
        read_upload(SMALL, data[:-2] + scan * 1000 + data[-2:])
    assert read_upload(SMALL, data).shape == (30, 40, 3)


def test_a_frame_that_is_larger_than_its_screen_is_measured():
    """A GIF may say a small screen and hold a large frame."""
    data = bytearray(saved("GIF", size=(60, 60)))
    data[6:10] = struct.pack("<HH", 1, 1)
    frame = data.index(b",")
    data[frame + 5 : frame + 9] = struct.pack("<HH", 60_000, 60_000)
    with pytest.raises(InputError):
        read_upload(SMALL, bytes(data))


def test_of_an_animation_only_the_first_picture_is_decoded():
    """A thousand frames cost as much as one."""
    frames = [Image.new("RGB", (90, 90), (n % 256, 0, 0)) for n in range(200)]
    for form in ("GIF", "WEBP", "PNG"):
        buffer = io.BytesIO()
        frames[0].save(buffer, form, save_all=True, append_images=frames[1:])
        assert read_upload(SMALL, buffer.getvalue()).shape == (90, 90, 3)


@given(st.data())
def test_a_damaged_file_is_refused_or_read(data):
    """Any bytes changed, in any format: pixels within the limits, or an error of the tree."""
    whole = bytearray(saved(data.draw(st.sampled_from(["PNG", "JPEG", "WEBP", "GIF"]))))
    for _ in range(data.draw(st.integers(1, 5))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        height, width, _ = read_upload(SMALL, bytes(whole[: data.draw(st.integers(1, len(whole)))])).shape
    except InputError:
        return
    assert height * width <= SMALL.max_pixels
