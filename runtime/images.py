"""Pictures as inputs: decoded to 0-255, brought to the input's channels, size and layout, each step said."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archonnx.runtime.arrays import numpy_dtype
from archonnx.runtime.errors import InputError
from archonnx.runtime.modelfile import Spec

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image, Transpose

Say = Callable[[str], None]
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")
# What Pillow's decoders raise on damaged files, found by damaging some (and by reading its plug-ins).
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    struct.error,
    zlib.error,
)
_UPRIGHT = 1
_MINISWHITE = (262, 0)  # TIFF's tag of what its numbers mean, and the value that says 0 is white
_DTYPES = frozenset(
    "float16 bfloat16 float32 float64 uint8 int16 uint16 int32 uint32 int64 uint64".split()
)  # those that hold 0..255


@dataclass(frozen=True, slots=True)
class Layout:
    """How an input takes a picture: which axis is the height, the width, the channels (None: grey, without that
    axis)."""

    height: int
    width: int
    channel: int | None
    channels: int  # 1 or 3

    @property
    def spatial(self) -> tuple[int, int]:
        return self.height, self.width


def layout_of(spec: Spec) -> Layout:
    """How an input takes a picture. Raises InputError where it takes none.

    Four axes are a batch [N, H, W, C] or [N, C, H, W], three [H, W, C], [C, H, W] or a batch of grey ones [N, H, W],
    two [H, W]. The channels are the axis of size 1 or 3, the last one first; where every size is open, the axis that
    is named after them, else the last.
    """
    shape = spec.shape
    rank = -1 if shape is None else len(shape)
    if shape is None or not 2 <= rank <= 4 or spec.kind != "tensor":
        raise InputError(
            f"input {spec.name}: {spec.type} takes no picture: it has 2 to 4 axes; give an array", spec.name
        )
    if spec.dtype not in _DTYPES:
        raise InputError(
            f"input {spec.name}: {spec.type} takes no picture: {spec.dtype} does not hold 0..255", spec.name
        )
    if rank == 2:
        if not all(isinstance(size, int) for size in shape):  # a batch of rows, more often than not
            reason = "its two axes are not both of a fixed size"
            raise InputError(f"input {spec.name}: {spec.type} takes no picture: {reason}; give an array", spec.name)
        return Layout(0, 1, None, 1)
    first = rank - 3  # the batch axis, if any, is before it
    for axis in (rank - 1, first):
        if shape[axis] in (1, 3):
            return _layout(first, axis, 1 if shape[axis] == 1 else 3)
    if rank == 3:
        return Layout(1, 2, None, 1)
    if isinstance(shape[first], str) and str(shape[first]).lower() in ("c", "channel", "channels", "num_channels"):
        return _layout(first, first, 3)
    if not isinstance(shape[-1], int):
        return _layout(first, rank - 1, 3)
    message = f"input {spec.name}: {spec.type} takes no picture: no axis has 1 or 3 channels; give an array"
    raise InputError(message, spec.name)


def _layout(first: int, channel: int, channels: int) -> Layout:
    height = first if channel != first else first + 1
    return Layout(height, height + 1, channel, channels)


def decode_picture(spec: Spec, path: str, say: Say) -> np.ndarray[Any, Any]:
    """The picture at `path` as one input: values 0..255 in the input's dtype, with a batch axis where it has one.

    Resized, bilinear and antialiased, only where the input's height or width is fixed; where one of the two is, the
    other keeps the picture's proportion. Raises InputError for what is no picture, OSError for a file that cannot be
    read.
    """
    import numpy as np

    layout = layout_of(spec)
    picture = _convert(spec, _open(spec, path, say), layout.channels, say)
    assert spec.shape is not None
    picture = _resize(spec, picture, layout, say)
    array = np.asarray(picture)
    if layout.channel is not None:
        array = array.reshape(*array.shape[:2], layout.channels)
        if layout.channel < layout.height:
            array = np.moveaxis(array, -1, 0)
            say(f"{spec.name}: channels first")
    if array.ndim < len(spec.shape):
        array = array[None]
        say(f"{spec.name}: first axis added: a batch of 1")
    result = np.ascontiguousarray(array).astype(numpy_dtype(spec.dtype))
    say(f"{spec.name}: {spec.dtype}[{', '.join(map(str, result.shape))}], values 0 to 255")
    return result


def _open(spec: Spec, path: str, say: Say) -> Image:
    """The picture, decoded and upright."""
    from PIL import Image, UnidentifiedImageError

    with open(path, "rb") as stream:  # what cannot be read is the system's refusal, not the picture's
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow warns at half of the size that it refuses, and of odd metadata
                picture: Image.Image = Image.open(stream, formats=_FORMATS)
                frames = int(getattr(picture, "n_frames", 1))
                picture.load()
                orientation = picture.getexif().get(0x0112, _UPRIGHT)
        except UnidentifiedImageError:
            raise InputError(f"{path}: this is no picture that is known ({', '.join(_FORMATS)})", spec.name) from None
        except Image.DecompressionBombError:
            many = f"more than {_most_pixels() / 1e6:.0f} million pixels"
            raise InputError(f"{path}: the picture has {many}; make it smaller", spec.name) from None
        except _DAMAGE as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(f"{path}: the picture is damaged or cut short: {reason}", spec.name) from None
    say(f"{spec.name}: {path}, {picture.format} picture, {_size(picture)}, {picture.mode}")
    if frames > 1:
        say(f"{spec.name}: the first of its {frames} frames is taken")
    if picture.format == "TIFF" and picture.mode.startswith("I;16") and _white_is_0(picture):
        message = (
            f"{path}: 0 is white in its numbers of 16 bits, which are not read; save it with 0 as black, or as PNG"
        )
        raise InputError(message, spec.name)
    turn = _turns().get(orientation)
    if turn is None:
        return picture
    say(f"{spec.name}: turned upright, as its EXIF orientation {int(orientation)} says")
    return picture.transpose(turn)


def _turns() -> dict[Any, Transpose]:
    """What brings a picture of each EXIF orientation upright; of those that it needs none for, nothing."""
    from PIL.Image import Transpose

    return {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }


def _white_is_0(picture: Image) -> bool:
    """Whether a TIFF file says so, which Pillow heeds up to 8 bits alone."""
    tag, white = _MINISWHITE
    return bool(getattr(picture, "tag_v2", {}).get(tag) == white)


def _most_pixels() -> int:
    """Above how many Pillow refuses to open a picture; 0 where somebody told it not to."""
    from PIL import Image

    return 2 * (Image.MAX_IMAGE_PIXELS or 0)


def _convert(spec: Spec, picture: Image, channels: int, say: Say) -> Image:
    """The picture as RGB or grey, without transparency, eight bits a channel."""
    from PIL import Image

    if picture.mode.startswith("I;16"):
        import numpy as np

        wide = np.asarray(picture).astype(np.uint32)
        picture = Image.fromarray(((wide * 255 + 32767) // 65535).astype(np.uint8))
        say(f"{spec.name}: 16 bits brought to 0..255")
    elif picture.mode in ("I", "F"):
        message = f"the picture holds {'whole' if picture.mode == 'I' else 'floating-point'} numbers of 32 bits"
        raise InputError(f"input {spec.name}: {message}, whose range is unknown; give them as .npy", spec.name)
    if picture.has_transparency_data:
        picture = picture.convert("L" if picture.mode in ("1", "L", "LA") else "RGB")
        say(f"{spec.name}: transparency dropped")
    target = "L" if channels == 1 else "RGB"
    if picture.mode != target:
        said = {"L": "grey", "LA": "grey", "1": "black and white"}
        if (picture.mode in ("L", "1", "LA")) != (target == "L"):
            say(f"{spec.name}: {said.get(picture.mode, picture.mode)} to {said.get(target, target)}")
        if picture.mode == "LAB":  # which Pillow makes nothing but RGB of
            picture = picture.convert("RGB")
        picture = picture.convert(target)
    return picture


def _resize(spec: Spec, picture: Image, layout: Layout, say: Say) -> Image:
    from PIL import Image

    assert spec.shape is not None
    height, width = (spec.shape[axis] for axis in layout.spatial)
    fixed = [size for size in (height, width) if isinstance(size, int)]
    if not fixed:
        return picture
    if not all(fixed):
        raise InputError(f"input {spec.name}: {spec.type} takes no picture: it has no pixels", spec.name)
    if not isinstance(height, int):
        height = max(1, round(picture.height * fixed[0] / picture.width))
    if not isinstance(width, int):
        width = max(1, round(picture.width * fixed[0] / picture.height))
    if (picture.width, picture.height) == (width, height):
        return picture
    if len(fixed) == 1 and _most_pixels() and width * height > _most_pixels():
        size = f"{width:,} x {height:,} (width x height)"
        message = f"{_size(picture)} would become {size}, with the proportion kept; cut it into pieces first"
        raise InputError(f"input {spec.name}: {spec.type} takes no picture so long: {message}", spec.name)
    resized = picture.resize((width, height), Image.Resampling.BILINEAR)
    say(f"{spec.name}: resized from {_size(picture)} to {_size(resized)}, bilinear")
    return resized


def _size(picture: Image) -> str:
    return f"{picture.width} x {picture.height} (width x height)"
