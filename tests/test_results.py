import io
import json
import re
import zlib

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from fontTools.ttLib import TTFont
from PIL import Image

from fakebook.errors import UserError
from fakebook.results import ContractError, Number, Results


@pytest.fixture
def results(tmp_path):
    return Results(tmp_path / "run", {"run": "test", "seed": 0}, {"auroc": [0.5, 1.0]})


def drawing():
    fig, ax = plt.subplots()
    ax.plot([0, 1], [1, 0])
    return fig


def test_figure_is_kept_in_three_formats_with_its_provenance(results):
    results.figure("loss", drawing(), alt="The loss falls.")
    assert results.folder.joinpath("loss.svg").read_text().lstrip().startswith("<?xml")
    assert results.folder.joinpath("loss.pdf").read_bytes().startswith(b"%PDF")
    assert Image.open(results.folder / "loss.png").convert("L").getextrema()[0] < 128
    sidecar = json.loads(results.folder.joinpath("loss.json").read_text())
    assert sidecar["alt"] == "The loss falls." and sidecar["provenance"]["seed"] == 0


def test_the_numbers_behind_a_figure_are_kept_where_they_are_given(results):
    frame = pd.DataFrame({"loss": [1.0, 0.1 + 0.2]}, index=pd.Index([1, 2], name="epoch"))
    results.figure("loss", drawing(), alt="The loss falls.", data=frame)
    results.figure("gain", drawing(), alt="The gain falls.")
    pd.testing.assert_frame_equal(pd.read_csv(results.folder / "loss.csv", index_col="epoch"), frame)
    assert not (results.folder / "gain.csv").exists()


def test_the_same_figure_is_the_same_file(tmp_path):
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        Results(folder, {}).figure("loss", drawing(), alt="The loss falls.")
    for kind in ("svg", "pdf", "png"):
        first, second = ((folder / f"loss.{kind}").read_bytes() for folder in folders)
        assert first == second


def test_nothing_is_cut_off_and_little_is_left_over(results):
    """The picture is that of matplotlib's own tight box, in each format, whatever stands outside of the axes."""
    fig, plain = drawing(), drawing()
    for one in (fig, plain):
        one.axes[0].set(title="Δ fit", ylabel="loss")
        one.axes[0].text(1.4, 0.5, "far out", transform=one.axes[0].transAxes)
    buffer = io.BytesIO()
    plain.savefig(buffer, format="png", dpi=200, bbox_inches="tight", pad_inches=0.12)
    results.figure("loss", fig, alt="The loss falls.")
    width, height = Image.open(buffer).size
    found = Image.open(results.folder / "loss.png").size
    assert found == pytest.approx((width, height), abs=4)
    svg = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', (results.folder / "loss.svg").read_text())
    pdf = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+)", (results.folder / "loss.pdf").read_bytes())
    for box in (svg, pdf):
        assert [float(side) / 72 * 200 for side in box.groups()] == pytest.approx(found, abs=4)


def fonts(pdf):
    """The TrueType fonts that a PDF carries."""
    streams = re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL)
    found = [zlib.decompress(stream) for stream in streams if stream.startswith(b"x")]
    return [TTFont(io.BytesIO(content)) for content in found if content.startswith(b"\0\1\0\0")]


def test_print_has_whole_letters_as_text(results):
    """Fonts are embedded as TrueType (type 42), with the outlines and widths that matplotlib alone would put there."""
    fig, plain = drawing(), drawing()
    for one in (fig, plain):
        one.axes[0].set(title="fi Δμ office", xlabel="AV step")
    buffer = io.BytesIO()
    with plt.rc_context({"pdf.fonttype": 42}):
        plain.savefig(buffer, format="pdf")
        results.figure("loss", fig, alt="The loss falls.")
    content = (results.folder / "loss.pdf").read_bytes()
    assert b"/CIDFontType2" in content and b"/Type3" not in content
    ours, theirs = fonts(content), fonts(buffer.getvalue())
    assert len(ours) == len(theirs) >= 1
    assert sum(len(font.getGlyphOrder()) for font in ours) > 20
    for one, two in zip(ours, theirs, strict=True):
        kept = set(one.getGlyphOrder())
        assert kept <= set(two.getGlyphOrder())
        for glyph in kept:
            assert one["glyf"][glyph] == two["glyf"][glyph] and one["hmtx"][glyph] == two["hmtx"][glyph]


@pytest.mark.parametrize("alt", ["", "  "])
def test_no_alt_text_is_an_error(results, alt):
    with pytest.raises(UserError, match="'loss' has no alt text"):
        results.figure("loss", drawing(), alt=alt)
    assert not list(results.folder.iterdir())


def moving(results, frames=(0.0, 0.5, 1.0), alt="A line rises."):
    fig, ax = plt.subplots(figsize=(3, 2))
    (line,) = ax.plot([0, 1], [0, 0])
    ax.set_ylim(0, 1)
    results.animation("rise", fig, lambda height: line.set_ydata([0, height]), frames, alt=alt, seconds=0.2)


def test_an_animation_is_kept_with_all_its_frames_and_as_a_still(results, monkeypatch):
    shown = []
    monkeypatch.setattr("fakebook.results.display", shown.append)
    moving(results)
    gif = Image.open(results.folder / "rise.gif")
    assert gif.n_frames == 3 and gif.size == (300, 200) and gif.info["loop"] == 0
    inks, times = [], []
    for frame in range(3):
        gif.seek(frame)
        times.append(gif.info["duration"])
        inks.append(gif.convert("RGB").tobytes())
    assert times == [200, 200, 2000] and len(set(inks)) == 3
    still = Image.open(results.folder / "rise.png")
    assert still.size[0] > 500  # for print
    sidecar = json.loads((results.folder / "rise.json").read_text())
    assert (sidecar["kind"], sidecar["frames"], sidecar["alt"]) == ("animation", 3, "A line rises.")
    page = shown[0].data
    assert "prefers-reduced-motion" in page and "data:image/gif" in page and "<details open>" in page


def test_an_animation_wants_frames_and_alt_text_and_comes_out_the_same(results, tmp_path):
    with pytest.raises(UserError, match="'rise' has no alt text"):
        moving(results, alt="")
    with pytest.raises(UserError, match="'rise' has no frames"):
        moving(results, frames=())
    first, second = (Results(tmp_path / name, {}) for name in "ab")
    moving(first)
    moving(second)
    assert (first.folder / "rise.gif").read_bytes() == (second.folder / "rise.gif").read_bytes()


def test_alt_text_is_escaped_in_the_page(results, capsys, monkeypatch):
    shown = []
    monkeypatch.setattr("fakebook.results.display", shown.append)
    results.figure("loss", drawing(), alt='a "quoted" <b>', caption="1 < 2")
    assert 'alt="a &quot;quoted&quot; &lt;b&gt;"' in shown[0].data and "1 &lt; 2" in shown[0].data


def test_table_keeps_every_decimal(results):
    frame = pd.DataFrame({"ap": [0.123456789]}, index=["lama"])
    results.table("table_1", frame)
    assert pd.read_csv(results.folder / "table_1.csv", index_col=0).equals(frame)
    assert json.loads((results.folder / "table_1.json").read_text())["data"]["data"] == [[0.123456789]]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_is_finite(results, value):
    with pytest.raises(UserError, match="must be finite"):
        results.number("auroc", value)


def test_a_name_is_used_once_and_is_a_plain_one(results):
    results.number("auroc", 0.9)
    with pytest.raises(UserError, match="already has a number"):
        results.table("auroc", pd.DataFrame())
    with pytest.raises(UserError, match="ASCII letters"):
        results.number("../escape", 1)


def test_numbers_are_quoted_with_digits_and_unit():
    assert f"{Number(12.345, 's', 1)}" == "12.3 s"
    assert f"{Number(97.5, '%', 0)}" == "98%"
    assert f"{Number(0.975):.0%}" == "98%"


def test_prose_takes_its_numbers_from_the_run(results, monkeypatch):
    shown = []
    monkeypatch.setattr("fakebook.results.display", shown.append)
    results.number("auroc", 0.91234, digits=2)
    results.say("It reaches {auroc}.")
    assert shown[0].data == "It reaches 0.91."
    with pytest.raises(UserError, match="quotes 'accuracy', which this run has not kept; it has auroc"):
        results.say("It reaches {accuracy}.")


@pytest.mark.parametrize("value, said", [(None, "auroc was never kept"), (0.4, r"auroc = 0.4 is outside \[0.5, 1.0\]")])
def test_a_broken_contract_fails_the_run(results, value, said):
    if value is not None:
        results.number("auroc", value)
    with pytest.raises(ContractError, match=said):
        results.footer()
    assert not (results.folder / "run.json").exists()


def test_a_kept_contract_finishes_the_run(results):
    results.number("auroc", 0.9)
    results.used("faces", "abc")
    results.footer()
    run = json.loads((results.folder / "run.json").read_text())
    assert run["provenance"]["data_hashes"] == {"faces": "abc"}
    assert run["provenance"]["peak_memory_mib"] > 10


def test_results_of_an_earlier_run_do_not_linger(tmp_path):
    Results(tmp_path, {}).number("old", 1)
    Results(tmp_path, {})
    assert not (tmp_path / "numbers.json").exists()
