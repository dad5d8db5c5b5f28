"""The door for pictures."""

import io
import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image as PILImage

from sightline_runtime.errors import ImageError, NotFoundError
from sightline_tools.image import decode_png, describe, encode_png, pixel_digest, read_pixels

PIXELS = arrays(
    np.uint8,
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([3, 4])),
    elements=st.integers(0, 255),
)


def encoded(picture, form, **options):
    """File bytes of a Pillow image."""
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


@settings(max_examples=40, deadline=None)
@given(PIXELS)
def test_png_gives_the_pixels_back(pixels):
    """Encoding and decoding change nothing, and the digest names the pixels."""
    assert np.array_equal(decode_png(encode_png(pixels)), pixels)
    image, png = describe(pixels)
    assert image.pixels == pixel_digest(decode_png(png))
    assert (image.height, image.width) == pixels.shape[:2]


@settings(max_examples=20, deadline=None)
@given(PIXELS)
def test_the_digest_is_of_pixels_not_of_the_file(pixels):
    """The same picture in two lossless formats has one digest."""
    rgb = pixels[..., :3].copy()
    picture = PILImage.fromarray(rgb)
    digests = {pixel_digest(read_pixels(encoded(picture, form)).array) for form in ("PNG", "BMP", "TIFF")}
    assert digests == {pixel_digest(rgb)}


def test_shape_is_part_of_the_digest():
    """Two pictures with the same bytes but other shapes differ."""
    flat = np.zeros((2, 8, 3), np.uint8)
    assert pixel_digest(flat) != pixel_digest(flat.reshape(8, 2, 3))


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I", "F", "I;16"]
)
def test_every_mode_becomes_rgb_or_rgba(mode):
    """Palette, CMYK, 16-bit, grey and the rest are normalised to 8-bit RGB or RGBA."""
    if mode in ("I", "F", "I;16"):
        picture = PILImage.fromarray(
            np.full((4, 5), 40000, {"I": np.int32, "F": np.float32, "I;16": np.uint16}[mode])
        )
    elif mode == "PA":
        picture = PILImage.new("P", (5, 4)).convert("PA")
    else:
        picture = PILImage.new(mode, (5, 4))
    array = read_pixels(picture).array
    assert array.shape[:2] == (4, 5)
    assert array.shape[2] in (3, 4)
    assert array.dtype == np.uint8


def test_sixteen_bits_keep_their_brightness():
    """A 16-bit grey of 40000 is 156 of 255."""
    picture = PILImage.fromarray(np.full((2, 2), 40000, np.uint16))
    assert read_pixels(encoded(picture, "PNG")).array[0, 0].tolist() == [156, 156, 156]


def test_exif_orientation_is_applied_once():
    """A picture that its EXIF says is turned comes out upright, with a note."""
    picture = PILImage.new("RGB", (6, 3), "red")
    exif = picture.getexif()
    exif[0x0112] = 6
    decoded = read_pixels(encoded(picture, "JPEG", exif=exif))
    assert decoded.array.shape == (6, 3, 3)
    assert any("EXIF" in note for note in decoded.notes)


def test_transparency_is_kept_only_where_there_is_some():
    """An alpha channel that is full everywhere is dropped."""
    opaque = PILImage.new("RGBA", (3, 3), (1, 2, 3, 255))
    glass = PILImage.new("RGBA", (3, 3), (1, 2, 3, 100))
    assert read_pixels(opaque).array.shape[2] == 3
    assert read_pixels(glass).array.shape[2] == 4


def huge_png(width, height):
    """A PNG whose header claims a size that its body does not hold."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


JPEG = encoded(PILImage.effect_noise((64, 64), 50), "JPEG")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"this is text", "is not a picture that can be read"),
        (encoded(PILImage.new("RGB", (64, 64), "blue"), "PNG")[:60], "damaged, cut short or closed"),
        (JPEG[:900], "damaged, cut short or closed"),
        (JPEG[:300], "is a JPEG file with a damaged header"),
        (huge_png(50_000, 50_000), "is 50000x50000, more than 40,000,000 pixels"),
        (huge_png(12_000, 10_000), "is 12000x10000, more than 40,000,000 pixels"),
        (huge_png(8_000, 8_000), "is 8000x8000, more than 40,000,000 pixels"),
        (huge_png(0, 5), "is a PNG file with a damaged header or no pixels"),
    ],
    ids=[
        "empty",
        "text",
        "png",
        "jpeg",
        "header",
        "50k x 50k",
        "120 megapixels",
        "64 megapixels",
        "no width",
    ],
)
def test_what_is_not_a_picture_is_refused(data, said):
    """Each bad file gives one ImageError that says what is wrong with it, and no warning."""
    with pytest.raises(ImageError, match=said) as caught:
        read_pixels(data)
    assert caught.value.code == "bad_image"
    assert caught.value.hint


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["PNG", "JPEG", "GIF", "TIFF", "WEBP"]), st.integers(0, 10**6), st.integers(1, 255))
def test_a_damaged_file_is_pixels_or_one_error(form, at, flip):
    """Whatever byte of a file is changed, it is read or refused as a bad image."""
    data = bytearray(encoded(PILImage.effect_noise((12, 9), 50).convert("RGB"), form))
    data[at % len(data)] ^= flip
    with suppress(ImageError):
        assert read_pixels(bytes(data)).array.dtype == np.uint8


def cut():
    """An image whose pixels are not read yet, and not all there."""
    return PILImage.open(io.BytesIO(JPEG[:900]))


def closed():
    """An image that was closed before its pixels were read."""
    with PILImage.open(io.BytesIO(JPEG)) as picture:
        return picture


@pytest.mark.parametrize("opened", [cut, closed], ids=lambda opened: opened.__name__)
def test_an_opened_image_that_cannot_be_read_is_refused(opened):
    """A Pillow image whose pixels do not come is a bad image like any other."""
    with pytest.raises(ImageError, match="the given image is damaged, cut short or closed"):
        read_pixels(opened())


@pytest.mark.parametrize(
    "values",
    [np.int32(2**20), np.int32(-1), np.float32("nan"), np.float32("inf"), np.float32(-3)],
    ids=["20 bits", "negative", "nan", "inf", "negative float"],
)
def test_deep_pixels_that_have_no_brightness_are_refused(values):
    """What cannot be brought to 8 bits is an ImageError, not white or black."""
    with pytest.raises(ImageError, match="negative, not finite or above 65535"):
        read_pixels(PILImage.fromarray(np.full((2, 2), values)))


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((0, 0, 3), np.uint8), "0x0 pixels"),
        (np.zeros((4, 4, 2), np.uint8), r"shape \(4, 4, 2\)"),
        (np.zeros((4,), np.uint8), r"shape \(4,\)"),
        (np.zeros((4, 4, 3), np.int64), "type int64"),
        (np.full((4, 4, 3), np.nan, np.float32), "must lie in 0 … 1"),
        (np.array([[np.inf, -np.inf]]), "must lie in 0 … 1"),
        (np.full((4, 4, 3), 7.0, np.float32), "must lie in 0 … 1"),
    ],
    ids=["0x0", "two planes", "one axis", "int64", "nan", "infinite", "floats over 1"],
)
def test_arrays_that_are_not_pictures_are_refused(array, said):
    """Wrong shapes, types and values each give one ImageError that names them."""
    with pytest.raises(ImageError, match=said):
        read_pixels(array)


def test_a_missing_file_is_not_found(tmp_path):
    """A path that is not there says so."""
    with pytest.raises(NotFoundError, match="there is no file"):
        read_pixels(tmp_path / "nothing.png")


def test_a_path_that_cannot_be_is_refused(tmp_path):
    """A folder, or a text that no path can hold, is an ImageError."""
    with pytest.raises(ImageError, match="cannot be read: Is a directory"):
        read_pixels(tmp_path)
    with pytest.raises(ImageError, match="cannot be read: embedded null"):
        read_pixels("a\0b")


@pytest.mark.parametrize("data", [b"x", b"BM", b"\x89PN"])
def test_a_file_of_few_bytes_is_no_picture(data):
    """Less than a header is one error too."""
    with pytest.raises(ImageError):
        read_pixels(data)
