import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

from fakebook import figures


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_pixels_are_scaled_cut_and_grey_made_rgb():
    pixels = figures.to_pixels(torch.tensor([-2.0, -1.0, 0.0, 1.0]).view(1, 1, 2, 2))
    assert pixels.shape == (1, 2, 2, 3)
    np.testing.assert_allclose(pixels[0, :, :, 0], [[0, 0], [0.5, 1]])


def test_a_sheet_puts_images_in_reading_order():
    images = torch.stack([torch.full((3, 4, 4), value) for value in (-1.0, 0.0, 1.0)])
    sheet = figures.sheet(images, columns=2, gap=1)
    assert sheet.shape == (9, 9, 3)
    assert sheet[0, 0, 0] == 0 and sheet[0, 8, 0] == 0.5 and sheet[8, 0, 0] == 1


def test_a_grid_shows_every_image_once_and_its_labels():
    rows = {"real": torch.zeros(3, 3, 8, 8), "forged": torch.zeros(2, 1, 16, 16)}
    fig = figures.grid(rows, column_titles=["a", "b", "c"])
    assert sum(len(ax.images) for ax in fig.axes) == 5
    assert {text.get_text() for ax in fig.axes for text in ax.texts} == {"real", "forged", "a", "b", "c"}


def test_a_grid_keeps_every_picture_whole_and_to_itself():
    """Cells are a unit wide: no picture leaves its own, none is stretched, and files keep them apart."""
    (ax,) = figures.grid([torch.zeros(2, 3, 8, 8), torch.zeros(2, 3, 10, 5)]).axes
    for index, image in enumerate(ax.images):
        left, right, bottom, top = image.get_extent()
        assert (left // 1, right // 1, top // 1, bottom // 1) == (index % 2, index % 2, index // 2, index // 2)
        assert (right - left) / (bottom - top) == pytest.approx(image.get_size()[1] / image.get_size()[0])
    assert ax.figure.suppressComposite


def test_a_confusion_matrix_shows_shares_of_the_truth_and_counts():
    counts = pd.DataFrame([[3, 1], [0, 0]], ["real", "fake"], ["real", "fake"])
    texts = [text.get_text() for text in figures.confusion(counts).axes[0].texts]
    assert texts == ["75%\n(3)", "25%\n(1)", "0%\n(0)", "0%\n(0)"]


def test_curves_tell_lines_apart_without_colour():
    frame = pd.DataFrame({"a": [1, 2], "b": [2, 1]}, index=[0, 1])
    ax = figures.curves(frame, "step", "loss", bands={"a": ([0, 1], [2, 3])}).axes[0]
    assert len({line.get_linestyle() for line in ax.lines}) == 2
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b"]


def test_scatter_has_a_marker_for_each_group():
    ax = figures.scatter(np.eye(3, 2), ["x", "y", "x"]).axes[0]
    assert [len(c.get_offsets()) for c in ax.collections] == [2, 1]


def test_a_matrix_shows_a_dash_where_there_is_no_value():
    frame = pd.DataFrame([[0.1, np.nan], [0.9, 0.5]], index=["a", "b"], columns=["x", "y"])
    notes = pd.DataFrame([["p", "q"], ["r", "s"]], index=["a", "b"], columns=["x", "y"])
    ax = figures.matrix(frame, low=0, high=1, notes=notes, fmt=".1f").axes[0]
    shown = {tuple(text.get_position()): text.get_text() for text in ax.texts}
    assert shown == {(0.5, 0.5): "0.1\np", (1.5, 0.5): "–\nq", (0.5, 1.5): "0.9\nr", (1.5, 1.5): "0.5\ns"}
    plt.close(ax.figure)
