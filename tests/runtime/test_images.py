"""Pictures as inputs: decoding, channels, layout, size, and pictures that are none."""

from __future__ import annotations

import io
import random
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from archonnx.runtime.errors import InputError
from archonnx.runtime.images import layout_of
from archonnx.runtime.inputs import decode
from archonnx.runtime.modelfile import Spec


def spec(*shape: int | str | None, dtype: str = "float32") -> Spec:
    return Spec("image", dtype, shape)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: p.png is 4 high and 6 wide; its red is the row, its green the column, its blue 200."""
    monkeypatch.chdir(tmp_path)
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[..., 0] = np.arange(4)[:, None] * 10
    pixels[..., 1] = np.arange(6)[None] * 10
    pixels[..., 2] = 200
    Image.fromarray(pixels).save("p.png")
    return tmp_path


def test_a_picture_is_decoded_cast_and_told(folder: Path) -> None:
    said: list[str] = []
    value = decode(spec("N", "H", "W", 3), "p.png", said.append)
    assert value.dtype == np.float32
    assert value.shape == (1, 4, 6, 3)
    assert value[0, 3, 5].tolist() == [30.0, 50.0, 200.0]
    assert said == [
        "image: p.png, PNG picture, 6 x 4 (width x height), RGB",
        "image: first axis added: a batch of 1",
        "image: float32[1, 4, 6, 3], values 0 to 255",
    ]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (("N", 3, "H", "W"), (1, 3, 4, 6)),
        ((1, 3, None, None), (1, 3, 4, 6)),
        (("H", "W", 3), (4, 6, 3)),
        ((3, "H", "W"), (3, 4, 6)),
        (("N", "H", "W", "C"), (1, 4, 6, 3)),
        (("batch", "channels", "height", "width"), (1, 3, 4, 6)),
        (("N", "H", "W", 1), (1, 4, 6, 1)),
        (("N", "H", "W"), (1, 4, 6)),
        (("N", 8, 12, 3), (1, 8, 12, 3)),
        (("N", 3, 8, 12), (1, 3, 8, 12)),
        (("N", 8, "W", 3), (1, 8, 12, 3)),
        (("N", "H", 3, 3), (1, 2, 3, 3)),
        ((8, 12), (8, 12)),
        (("N", 28, 28, 1), (1, 28, 28, 1)),
    ],
)
def test_layouts(folder: Path, shape: tuple[Any, ...], expected: tuple[int, ...]) -> None:
    assert decode(spec(*shape), "p.png").shape == expected


def test_channels_first_holds_the_same_values(folder: Path) -> None:
    last, first = decode(spec("N", "H", "W", 3), "p.png"), decode(spec("N", 3, "H", "W"), "p.png")
    np.testing.assert_array_equal(np.moveaxis(last, -1, 1), first)
    assert first.flags.c_contiguous


@pytest.mark.parametrize("dtype", ["uint8", "float16", "bfloat16", "float32", "float64", "int32", "int64"])
def test_values_are_0_to_255_in_the_inputs_type(folder: Path, dtype: str) -> None:
    value = decode(spec("N", "H", "W", 3, dtype=dtype), "p.png")
    assert value.dtype.name == dtype
    assert int(value.max()) == 200


def test_resizing_is_said_and_antialiased(folder: Path) -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save("stripes.png")
    said: list[str] = []
    value = decode(spec("N", 8, 8, 3), "stripes.png", said.append)
    assert "image: resized from 64 x 64 (width x height) to 8 x 8 (width x height), bilinear" in said
    assert value.min() > 100
    assert value.max() < 155


@pytest.mark.parametrize(
    ("shape", "dtype", "words"),
    [
        (("N", 4), "float32", "its two axes are not both of a fixed size"),
        (("N",), "float32", "it has 2 to 4 axes"),
        (("N", "T", "H", "W", 3), "float32", "it has 2 to 4 axes"),
        (("N", 8, 8, 7), "float32", "no axis has 1 or 3 channels"),
        (("N", "H", "W", 3), "int8", "int8 does not hold 0..255"),
        (("N", "H", "W", 3), "bool", "bool does not hold 0..255"),
        (("N", 0, 8, 3), "float32", "it has no pixels"),
    ],
)
def test_inputs_that_take_no_picture_say_why(folder: Path, shape: tuple[Any, ...], dtype: str, words: str) -> None:
    with pytest.raises(InputError, match="takes no picture") as caught:
        decode(spec(*shape, dtype=dtype), "p.png")
    assert words in str(caught.value)


def test_an_unknown_rank_takes_no_picture() -> None:
    with pytest.raises(InputError, match="takes no picture"):
        layout_of(Spec("image", "float32", None))


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "RGBA", "CMYK", "YCbCr"])
def test_every_mode_becomes_rgb_or_grey(folder: Path, mode: str) -> None:
    picture = Image.open("p.png").convert(mode)
    name = "m.jpg" if mode in ("CMYK", "YCbCr") else "m.png"
    picture.save(name)
    said: list[str] = []
    assert decode(spec("N", "H", "W", 3), name, said.append).shape == (1, 4, 6, 3)
    assert decode(spec("N", "H", "W", 1), name).shape == (1, 4, 6, 1)
    assert ("image: transparency dropped" in said) == (mode in ("LA", "RGBA"))
    assert ("image: grey to RGB" in said) == (mode in ("L", "LA"))


def test_sixteen_bits_are_brought_to_eight(folder: Path) -> None:
    wide = np.array([[0, 257 * 100, 65535]], np.uint16)
    Image.fromarray(wide).save("wide.png")
    said: list[str] = []
    value = decode(spec("N", "H", "W", 1, dtype="uint8"), "wide.png", said.append)
    assert value[0, 0, :, 0].tolist() == [0, 100, 255]
    assert "image: 16 bits brought to 0..255" in said


@pytest.mark.parametrize(("dtype", "words"), [(np.float32, "floating-point"), (np.int32, "whole")])
def test_values_of_unknown_range_are_refused(folder: Path, dtype: Any, words: str) -> None:
    Image.fromarray(np.zeros((2, 2), dtype)).save("x.tif")
    with pytest.raises(InputError, match=words):
        decode(spec("N", "H", "W", 1), "x.tif")


def test_exif_orientation_is_applied(folder: Path) -> None:
    picture = Image.open("p.png")
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save("turned.png", exif=exif)
    said: list[str] = []
    value = decode(spec("N", "H", "W", 3), "turned.png", said.append)
    assert value.shape == (1, 6, 4, 3)
    assert value[0, 0, 0].tolist() == [30.0, 0.0, 200.0]  # the lower left corner is the upper left one now
    assert "image: turned upright, as its EXIF orientation 6 says" in said


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_that_of_pillow(folder: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.open("p.png").save("turned.png", exif=exif)
    value = decode(spec("N", "H", "W", 3), "turned.png")
    assert np.array_equal(value[0], np.asarray(ImageOps.exif_transpose(Image.open("turned.png"))))


@pytest.mark.parametrize("orientation", [0, 9, 255])
def test_an_orientation_that_is_none_turns_nothing(folder: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.open("p.png").save("turned.png", exif=exif)
    said: list[str] = []
    assert decode(spec("N", "H", "W", 3), "turned.png", said.append).shape == (1, 4, 6, 3)
    assert not [line for line in said if "upright" in line]


def test_a_picture_is_turned_whatever_its_other_tags_hold(folder: Path) -> None:
    entries = struct.pack("<HHIHxx", 0x0112, 3, 1, 6) + struct.pack("<HHIi", 0x0100, 9, 1, -5)  # an odd width
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entries + bytes(4)
    Image.open("p.png").save("turned.webp", exif=exif)
    assert decode(spec("N", "H", "W", 3), "turned.webp").shape == (1, 6, 4, 3)


@pytest.mark.parametrize(
    ("size", "shape"), [((20000, 1), ("N", 224, "W", 3)), ((1, 20000), ("N", "H", 224, 3))], ids=["wide", "tall"]
)
def test_a_strip_that_would_grow_beyond_memory_is_refused(
    folder: Path, size: tuple[int, int], shape: tuple[Any, ...]
) -> None:
    Image.new("RGB", size).save("strip.png")
    with pytest.raises(InputError, match=r"takes no picture so long: .* would become .*4,480,000"):
        decode(spec(*shape), "strip.png")


def test_lab_becomes_grey_as_well(folder: Path) -> None:
    Image.open("p.png").convert("LAB").save("lab.tif")
    value = decode(spec("N", "H", "W", 1), "lab.tif")
    assert np.array_equal(value[0, ..., 0], np.asarray(Image.open("lab.tif").convert("RGB").convert("L")))
    assert np.abs(value[0, ..., 0] - np.asarray(Image.open("p.png").convert("L"))).max() < 10


def test_sixteen_bits_of_which_0_is_white_are_refused(folder: Path) -> None:
    wide = np.arange(24, dtype=np.uint16).reshape(4, 6) * 2000
    Image.fromarray(wide).save("white.tif", tiffinfo={262: 0})
    with pytest.raises(InputError, match=r"white.tif: 0 is white in its numbers of 16 bits"):
        decode(spec("N", "H", "W", 1), "white.tif")
    Image.fromarray(wide).save("black.tif")
    assert decode(spec("N", "H", "W", 1), "black.tif")[0, -1, -1, 0] == round(23 * 2000 / 257)


def test_of_several_frames_the_first_is_taken(folder: Path) -> None:
    frames = [Image.new("RGB", (3, 2), (shade, shade, shade)) for shade in (10, 200)]
    frames[0].save("a.gif", save_all=True, append_images=frames[1:])
    said: list[str] = []
    assert set(decode(spec("N", "H", "W", 3), "a.gif", said.append).ravel().tolist()) == {10.0}
    assert "image: the first of its 2 frames is taken" in said


def test_what_is_no_picture_is_named(folder: Path) -> None:
    data = Path("p.png").read_bytes()
    for name, content, words in [
        ("text.png", b"hello", "this is no picture that is known"),
        ("empty.jpg", b"", "this is no picture that is known"),
        ("cut.png", data[: len(data) - 30], "damaged or cut short"),
        ("postscript.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "this is no picture that is known"),
    ]:
        Path(name).write_bytes(content)
        with pytest.raises(InputError, match=words) as caught:
            decode(spec("N", "H", "W", 3), name)
        assert str(caught.value).startswith(f"{name}: ")


def test_a_bomb_is_refused_before_memory_is_taken(folder: Path) -> None:
    head = io.BytesIO()
    Image.new("1", (1, 1)).save(head, "BMP")
    data = bytearray(head.getvalue())
    data[18:26] = (20000).to_bytes(4, "little") * 2
    Path("bomb.bmp").write_bytes(data)
    with pytest.raises(InputError, match="has more than 179 million pixels"):
        decode(spec("N", "H", "W", 3), "bomb.bmp")


def test_damaged_pictures_are_decoded_or_refused(folder: Path) -> None:
    noise = random.Random(7)
    picture = Image.effect_mandelbrot((32, 24), (-2, -1, 1, 1), 50).convert("RGB")
    exif = picture.getexif()
    exif[0x0112] = 3
    for name in ("d.png", "d.jpg", "d.gif", "d.bmp", "d.tif", "d.webp"):
        picture.save(name, exif=exif) if name in ("d.png", "d.jpg") else picture.save(name)
        data = Path(name).read_bytes()
        for turn in range(40):
            damaged = bytearray(data)
            for _ in range(noise.randint(1, 6)):
                damaged[noise.randrange(min(len(damaged), noise.choice((60, 5000))))] = noise.randrange(256)
            Path(name).write_bytes(damaged[: noise.randrange(len(data))] if turn % 3 == 0 else damaged)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                try:
                    value = decode(spec("N", 8, 8, 3), name)
                except InputError as error:
                    assert "\n" not in str(error)
                else:
                    assert value.shape == (1, 8, 8, 3)
