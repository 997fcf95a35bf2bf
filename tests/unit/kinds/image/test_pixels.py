"""Decoding of untrusted images."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from unit.kinds.image.drawing import colour, encode, encode_image, grey, png_header

from synthmill.kinds.base import Item, Record, Rejection
from synthmill.kinds.image.parameters import ImageImport
from synthmill.kinds.image.pixels import RawPixels, decode, infer_schema
from synthmill.runtime.errors import BadData

GREY_8 = {"height": 8, "width": 8, "channels": 1}
RGB_8 = {"height": 8, "width": 8, "channels": 3}


def decoded(payload: object, schema: dict = GREY_8, **parameters: object) -> np.ndarray:
    outcome = decode(Item("a.png", payload), schema, ImageImport(**parameters))
    assert isinstance(outcome, Record), outcome
    assert outcome.columns["image"].dtype == np.uint8
    return outcome.columns["image"]


def rejected(payload: object, source: str = "a.png") -> Rejection:
    outcome = decode(Item(source, payload), GREY_8, ImageImport())
    assert isinstance(outcome, Rejection), outcome
    assert outcome.source == source
    return outcome


def test_grey_image_of_the_right_size_is_unchanged():
    assert (decoded(encode(grey()))[..., 0] == grey()).all()


def test_colour_image_of_the_right_size_is_unchanged():
    assert (decoded(encode(colour()), RGB_8) == colour()).all()


def test_path_is_read(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encode(grey()))
    assert (decoded(path)[..., 0] == grey()).all()


def test_grey_becomes_rgb_with_equal_channels():
    pixels = decoded(encode(grey()), RGB_8)
    assert (pixels == grey()[..., None]).all()


def test_sixteen_bit_levels_keep_their_range():
    levels = (grey().astype(np.uint16) * 257).astype(np.uint16)
    assert (decoded(encode(levels))[..., 0] == grey()).all()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
@pytest.mark.parametrize("schema", [GREY_8, RGB_8], ids=["grey", "rgb"])
def test_uniform_image_of_any_mode_keeps_its_level(mode, schema):
    source = Image.fromarray(np.full((8, 8), 255, np.uint16)) if mode == "I;16" else Image.new("L", (8, 8), 255)
    if mode == "I;16":
        source = Image.fromarray(np.full((8, 8), 65_535, np.uint16))
    else:
        source = source.convert("RGB").convert(mode) if mode in ("P", "CMYK") else source.convert(mode)
    file_format = "TIFF" if mode in ("CMYK", "I;16") else "PNG"
    outcome = decode(Item("a", encode_image(source, file_format)), schema, ImageImport())
    assert isinstance(outcome, Record)
    assert outcome.traits == {"source_size": "8x8", "source_mode": mode}
    assert (outcome.columns["image"] == 255).all()


def test_transparent_pixels_become_white_whatever_colour_they_hide():
    hidden = np.zeros((8, 8, 4), np.uint8)
    hidden[:4, :, 3] = 255
    pixels = decoded(encode(hidden))[..., 0]
    assert (pixels[:4] == 0).all()
    assert (pixels[4:] == 255).all()


def test_camera_orientation_is_undone():
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = encode_image(Image.fromarray(grey()), "PNG", exif=exif)
    assert (decoded(turned)[..., 0] == np.rot90(grey(), -1)).all()


def test_crop_keeps_the_middle():
    wide = np.zeros((8, 24), np.uint8)
    wide[:, 8:16] = 200
    assert (decoded(encode(wide), fit="crop")[..., 0] == 200).all()


def test_pad_keeps_everything_and_fills_with_the_given_level():
    wide = np.full((4, 8), 200, np.uint8)
    pixels = decoded(encode(wide), fit="pad", padding=7)[..., 0]
    assert (pixels[:2] == 7).all()
    assert (pixels[6:] == 7).all()
    assert (pixels[2:6] == 200).all()


def test_stretch_uses_the_whole_image():
    wide = np.zeros((8, 16), np.uint8)
    wide[:, 8:] = 200
    pixels = decoded(encode(wide), fit="stretch")[..., 0]
    assert (pixels[:, :3] < 20).all()
    assert (pixels[:, 5:] > 180).all()


@pytest.mark.parametrize("size", [(60_000, 60_000), (12_000, 9_000), (8_000, 6_251)], ids=str)
def test_huge_header_is_too_large_before_anything_is_decoded(size):
    rejection = rejected(png_header(*size))
    assert rejection.reason == "TOO_LARGE"
    assert "pixels" in rejection.detail


def test_truncated_png_is_corrupt():
    data = encode(grey(64, 64))
    rejection = rejected(data[: len(data) // 2])
    assert rejection.reason == "CORRUPT"
    assert "truncated" in rejection.detail


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n", b"not an image at all"], ids=["empty", "magic", "text"])
def test_other_content_under_an_image_name_is_corrupt(data):
    assert rejected(data).reason == "CORRUPT"


def test_other_content_under_another_name_is_an_unsupported_format():
    rejection = rejected(b"hello", "notes.txt")
    assert rejection.reason == "UNSUPPORTED_FORMAT"
    assert "PNG" in rejection.detail


def test_format_outside_the_list_is_refused():
    assert rejected(encode(grey(), "ICO"), "a.ico").reason == "UNSUPPORTED_FORMAT"


def test_animation_is_refused_rather_than_cut_to_its_first_frame():
    frames = [Image.fromarray(grey(seed=seed)) for seed in range(3)]
    data = encode_image(frames[0], "GIF", save_all=True, append_images=frames[1:])
    rejection = rejected(data, "a.gif")
    assert rejection.reason == "UNSUPPORTED_FORMAT"
    assert "3 frames" in rejection.detail


def test_float_image_is_refused_since_its_range_is_not_known():
    assert rejected(encode(np.ones((8, 8), np.float32), "TIFF")).reason == "UNSUPPORTED_FORMAT"


def test_missing_file_is_missing(tmp_path):
    assert rejected(tmp_path / "gone.png").reason == "MISSING"


def test_details_do_not_tell_where_the_service_keeps_files(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"nothing")
    assert str(tmp_path) not in rejected(path).detail


@pytest.mark.parametrize(
    ("array", "black", "white"),
    [
        (grey() / 255.0, 0.0, 1.0),
        ((grey() / 127.5 - 1).astype(np.float32), -1.0, 1.0),
        (grey().astype(np.int64), 0.0, 255.0),
        (grey().astype(np.uint16) * 257, 0.0, 65_535.0),
    ],
    ids=["unit-floats", "signed-floats", "integers", "sixteen-bits"],
)
def test_numbers_of_any_range_become_levels(array, black, white):
    assert (decoded(RawPixels(array, black, white))[..., 0] == grey()).all()


def test_white_can_be_told():
    digit = np.full((8, 8), 16.0)
    assert (decoded(RawPixels(digit), white=16.0) == 255).all()


def test_numbers_that_are_not_finite_are_corrupt():
    assert rejected(RawPixels(np.full((8, 8), np.nan), 0.0, 1.0)).reason == "CORRUPT"


def test_schema_is_the_most_frequent_size_and_colour_if_there_is_any():
    items = [Item("a", encode(grey(8, 8, seed))) for seed in range(3)] + [Item("b", encode(colour(16, 12)))]
    assert infer_schema(ImageImport(), items) == {"height": 8, "width": 8, "channels": 3}


def test_grey_palette_counts_as_grey():
    items = [Item("a", encode_image(Image.fromarray(grey()).convert("P")))]
    assert infer_schema(ImageImport(), items)["channels"] == 1


def test_given_parameters_win_over_what_is_found():
    items = [Item("a", encode(colour(16, 12)))]
    assert infer_schema(ImageImport(height=32, channels=1), items) == {"height": 32, "width": 12, "channels": 1}


def test_schema_of_nothing_readable_is_bad_data():
    with pytest.raises(BadData, match="none of the first 1 items can be used; a: no image"):
        infer_schema(ImageImport(), [Item("a", b"nothing")])
