"""Figures hold the numbers they are given, all of them, and say what they leave out."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex

from fembridge.bridge.charts import AnyChart, Chart, HeatMap, Image, Pair, RegimeMap
from fembridge.output.curves import CELLS, legible
from fembridge.output.figures import check, draw, save, table

RNG = np.random.default_rng(0)
X = np.geomspace(1, 1e3, 20)
POWER = Chart("Power law", "n", "error", (Pair("k = 1", X, X**-2, X**-2 * 1.01), Pair("k = 2", X, X**-4, None)))
STEPS = np.array([0.0, 1, 2, 5, 10, 100])
HEAT = HeatMap("Heat", STEPS, np.array([1.0, 2, 4]), RNG.random((6, 3)), RNG.random((6, 3)))
BAND = replace(POWER, pairs=(Pair("k = 1", X, None, X**-2, X**-2 - 1e-4, X**-2 * 1.3),))
REGIME = RegimeMap("Regime", 2.0 ** np.arange(4, 9), np.array([0.1, 1, 10]), RNG.random((3, 5)), RNG.random((3, 5)))
IMAGE = Image("Image", (("target", RNG.random((4, 6))), ("network", RNG.random((4, 6)))))
CASES: dict[str, AnyChart] = {
    "log-log": replace(POWER, slopes=(-2, -4), noise_floor=1e-6),
    "semilog": replace(POWER, xscale="linear"),
    "linear": replace(POWER, xscale="linear", yscale="linear", noise_floor=1e-6),
    "no prediction": replace(POWER, pairs=(Pair("a", X, None, X),)),
    "one point": replace(POWER, pairs=(Pair("a", X[:1], X[:1], X[:1]),), slopes=(1,)),
    "nothing positive": replace(POWER, pairs=(Pair("a", X, -X, 0 * X),), slopes=(1,), noise_floor=1e-9),
    "steep prediction": replace(POWER, pairs=(Pair("a", X, np.exp(-X / 2), np.exp(-X / 2) + 1e-16),)),
    "many": replace(POWER, pairs=tuple(Pair(f"k = {k}", STEPS, 0.5**STEPS * k, 0.5**STEPS * k) for k in range(1, 33))),
    "beyond numbers": replace(POWER, pairs=(Pair("a", X, 10 ** np.linspace(-300, 308, 20), X),), noise_floor=np.inf),
    "beyond numbers, linear": replace(POWER, yscale="linear", pairs=(Pair("a", X, X * 1e305, X),)),
    "heat map": HEAT,
    "heat map beyond numbers": replace(HEAT, predicted=10 ** np.linspace(-300, 308, 18).reshape(6, 3)),
    "heat map of one step": HeatMap("Heat", STEPS[:1], np.array([3]), np.ones((1, 1)), np.zeros((1, 1))),
    "heat map of a spectrum": replace(HEAT, scale="linear", frequencies=np.array([[1, 0], [0, -1], [2, 3]])),
    "regimes": REGIME,
    "image": IMAGE,
    "heat map with nan": replace(HEAT, measured=np.where(STEPS[:, None] > 5, np.nan, HEAT.predicted)),
}

DRAWN: dict[str, AnyChart] = {  # in no file: writing takes most of the time
    "band": BAND,
    "band, linear": replace(BAND, xscale="linear", yscale="linear"),
    "band beyond numbers": replace(BAND, pairs=(Pair("a", X, None, X, np.full(20, -np.inf), np.full(20, np.inf)),)),
    "heat map of an experiment": replace(HEAT, predicted=None, repeats=3),
    "regimes of one cell": RegimeMap("Regime", X[:1], X[:1], np.zeros((1, 1)), np.full((1, 1), np.nan)),
    "many regimes": RegimeMap("Regime", X, X, np.outer(X, X), np.outer(X, X)),
    "image of nothing": Image("Image", (("a", np.full((2, 1), np.nan)),)),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("chart", CASES.values(), ids=CASES)
def test_every_format_is_written(chart: AnyChart, tmp_path: Path) -> None:
    files = save(chart, tmp_path / "figures", "name.with.dots")
    assert [file.name for file in files] == [f"name.with.dots.{suffix}" for suffix in ("svg", "pdf", "png", "csv")]
    starts = (b"<?xml", b"%PDF", b"\x89PNG", b"")
    assert all(file.read_bytes().startswith(start) for file, start in zip(files, starts, strict=True))
    assert sorted(tmp_path.rglob("*.*")) == sorted(files)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("chart", DRAWN.values(), ids=DRAWN)
def test_it_is_drawn_without_a_warning(chart: AnyChart) -> None:
    draw(chart).draw_without_rendering()


def test_the_table_gives_back_every_number_of_a_chart() -> None:
    odd = np.array([0.1, 1 / 3, -0.0, 5e-324, np.nan, np.inf, 1e308])
    pairs = (Pair('a, "b"', odd, None, odd), Pair("$c$", np.arange(7.0), odd * 0.7, None))
    rows = list(csv.DictReader(io.StringIO(table(replace(POWER, pairs=pairs)))))
    for pair, found in zip(pairs, (rows[:7], rows[7:]), strict=True):
        assert {row["label"] for row in found} == {pair.label}
        for name in ("x", "predicted", "measured"):
            expected = getattr(pair, name)
            if expected is None:
                assert {row[name] for row in found} == {""}
            else:
                np.testing.assert_array_equal([float(row[name]) for row in found], expected)


def test_the_table_gives_back_every_number_of_a_heat_map() -> None:
    rows = list(csv.DictReader(io.StringIO(table(HEAT))))
    for name in ("predicted", "measured"):
        np.testing.assert_array_equal([float(row[name]) for row in rows], getattr(HEAT, name).ravel())
    assert [float(row["step"]) for row in rows[:4]] == [0, 0, 0, 1]
    assert [float(row["frequency"]) for row in rows[:4]] == [1, 2, 4, 1]


def test_the_table_gives_back_bands_wave_vectors_and_grids() -> None:
    rows = list(csv.DictReader(io.StringIO(table(BAND))))
    for name in ("low", "high"):
        np.testing.assert_array_equal([float(row[name]) for row in rows], getattr(BAND.pairs[0], name))
    rows = list(csv.DictReader(io.StringIO(table(replace(CASES["heat map of a spectrum"], predicted=None)))))
    assert [(row["frequency"], row["predicted"]) for row in rows[:3]] == [("1 0", ""), ("0 -1", ""), ("2 3", "")]
    rows = list(csv.DictReader(io.StringIO(table(REGIME))))
    for name in ("error", "drift"):
        np.testing.assert_array_equal([float(row[name]) for row in rows], getattr(REGIME, name).ravel())
    assert [(row["output_scale"], row["width"]) for row in rows[4:6]] == [("0.1", "256.0"), ("1.0", "16.0")]
    rows = list(csv.DictReader(io.StringIO(table(IMAGE))))
    values = np.stack([values for _, values in IMAGE.panels])
    np.testing.assert_array_equal([float(row["value"]) for row in rows], values.ravel())
    assert [rows[7][name] for name in ("panel", "row", "column")] == ["target", "1", "1"]


def test_a_band_is_behind_its_markers_in_their_colour_and_in_the_legend() -> None:
    axes = draw(BAND).axes[0]
    (band,) = axes.collections
    (markers,) = (line for line in axes.lines if len(line.get_xdata()))
    assert to_hex(band.get_facecolor()[0]) == to_hex(markers.get_color())
    assert band.get_zorder() < markers.get_zorder()
    legend = axes.get_legend()
    assert legend is not None and "band: 95 % over seeds" in [text.get_text() for text in legend.get_texts()]
    corners = band.get_paths()[0].vertices
    assert corners[:, 1].max() == BAND.pairs[0].high.max()  # type: ignore[union-attr]
    assert 0 < corners[:, 1].min() <= axes.get_ylim()[0]  # where the interval reaches below 0 it ends with the axis


def test_without_theory_there_is_one_panel() -> None:
    def titles(chart: HeatMap) -> list[str]:
        return [panel.get_title() for panel in draw(chart).axes if panel.get_title()]

    assert titles(HEAT) == ["theory", "experiment", "|theory \N{MINUS SIGN} experiment|"]
    assert titles(replace(HEAT, predicted=None)) == ["experiment"]
    assert draw(replace(HEAT, repeats=3)).get_supxlabel().startswith("Means over 3 seeds.")


def test_a_map_of_regimes_has_its_numbers_in_its_cells() -> None:
    left, right, *_ = draw(REGIME).axes
    for panel, values in ((left, REGIME.error), (right, REGIME.drift)):
        shown = [float(text.get_text().replace("\N{MINUS SIGN}", "-")) for text in panel.texts]
        np.testing.assert_allclose(shown, values.ravel(), rtol=0.06)
        assert [tick.get_text() for tick in panel.get_xticklabels()] == ["16", "32", "64", "128", "256"]
    assert not draw(DRAWN["many regimes"]).axes[0].texts


@pytest.mark.parametrize("chart", [CASES["log-log"], HEAT], ids=["chart", "heat map"])
def test_equal_charts_give_equal_svg(chart: AnyChart, tmp_path: Path) -> None:
    first, second = (save(chart, tmp_path / folder, "a")[0].read_bytes() for folder in "ab")
    assert first == second


def test_theory_is_a_line_and_experiment_markers_of_its_colour() -> None:
    lines = [line for line in draw(POWER).axes[0].lines if len(line.get_xdata())]
    theory, experiment, second = lines
    np.testing.assert_array_equal(theory.get_ydata(), POWER.pairs[0].predicted)
    np.testing.assert_array_equal(experiment.get_ydata(), POWER.pairs[0].measured)
    assert (theory.get_linestyle(), theory.get_marker()) == ("-", "None")
    assert (experiment.get_linestyle(), experiment.get_markerfacecolor()) == ("None", "none")
    assert to_hex(theory.get_color()) == to_hex(experiment.get_color()) != to_hex(second.get_color())


def test_thinned_markers_keep_the_worst_point() -> None:
    x = np.arange(1.0, 501)
    measured = x**-4
    measured[333] *= 1.5
    axes = draw(replace(POWER, pairs=(Pair("a", x, x**-4, measured),))).axes[0]
    markers = next(line for line in axes.lines if line.get_marker() == "o")
    assert len(markers.get_xdata()) <= CELLS
    assert 334 in np.asarray(markers.get_xdata())


def test_a_slope_guide_has_its_slope() -> None:
    axes = draw(replace(POWER, slopes=(-2.5,))).axes[0]
    guide = next(line for line in axes.lines if line.get_linestyle() == "--")
    u, v = np.log10(np.asarray(guide.get_xdata())), np.log10(np.asarray(guide.get_ydata()))
    assert (v[1] - v[0]) / (u[1] - u[0]) == pytest.approx(-2.5, rel=1e-12)
    assert [text.get_text() for text in axes.texts] == ["slope −2.5"]


def test_what_cannot_be_shown_is_counted() -> None:
    values = np.array([1, 0, -1, np.nan, np.inf, 0.5])
    figure = draw(replace(POWER, pairs=(Pair("a", np.arange(6.0), values, None),)))
    assert figure.get_supxlabel().startswith("Not shown: 4 values")
    assert draw(POWER).get_supxlabel() == ""


def test_step_zero_has_a_place_on_a_logarithmic_axis() -> None:
    chart = replace(POWER, pairs=(Pair("a", STEPS, 0.9**STEPS, 0.9**STEPS),))
    axes = draw(chart).axes[0]
    at_zero, at_one = axes.transData.transform([(0, 1), (1, 1)])[:, 0]
    assert axes.bbox.x0 <= at_zero < at_one
    panel = draw(HEAT).axes[0]
    low, high = panel.get_xlim()
    assert low < 1 < high
    assert panel.get_xticklabels()[0].get_text() == "0"


@pytest.mark.parametrize("ratio", [1.01, 2, 5, 15, 200, 1e5, 1e30])
def test_a_logarithmic_axis_of_any_length_has_some_ticks(ratio: float) -> None:
    y = 0.7 * np.geomspace(1, ratio, 20)
    axis = draw(replace(POWER, pairs=(Pair("a", X, y, y),))).axes[0].yaxis
    low, high = axis.get_view_interval()
    assert 2 <= sum(low <= tick <= high for tick in axis.get_majorticklocs()) <= 12


def test_predictions_far_below_all_measurements_do_not_stretch_the_axis() -> None:
    steps = np.arange(1, 200.0)
    measured = np.maximum(0.1**steps, 1e-16)
    axes = draw(replace(POWER, pairs=(Pair("a", steps, 0.1**steps, measured),))).axes[0]
    assert axes.get_ylim()[0] == pytest.approx(1e-19)


def test_mathematics_is_not_broken_and_lone_dollars_are_plain() -> None:
    assert legible("a long text with $x + y = z$", 20) == "a long text with\n$x + y = z$"
    assert legible("costs 5$", 20) == r"costs 5\$"
    assert legible(r"an odd $\nonsense$", 40) == r"an odd \$\nonsense\$"


BAD = {
    r'figure "Power law": expected at least one pair': replace(POWER, pairs=()),
    r"slopes: expected log-log axes, got linear x": replace(POWER, xscale="linear", slopes=(1,)),
    r'"b": measured: expected 20 values in a row, got shape \(3,\)': replace(POWER, pairs=(Pair("b", X, X, X[:3]),)),
    r"predicted: expected shape \(steps, frequencies\) = \(6, 3\), got \(3, 6\)": replace(
        HEAT, predicted=np.ones((3, 6))
    ),
    r'"k = 1": low, high: expected both or neither': replace(POWER, pairs=(Pair("k = 1", X, X, X, low=X),)),
    r'"k = 1": high: expected 20 values in a row': replace(POWER, pairs=(Pair("k = 1", X, X, X, X, X[:2]),)),
    r"widths: expected ascending positive numbers": replace(REGIME, widths=REGIME.widths[::-1]),
    r"drift: expected shape \(output scales, widths\) = \(3, 5\), got \(5, 3\)": replace(REGIME, drift=REGIME.drift.T),
    r"expected at least one panel": replace(IMAGE, panels=()),
    r'"b": expected a grid of rows and columns, as the first has': replace(
        IMAGE, panels=(*IMAGE.panels, ("b", np.zeros(3)))
    ),
    r"steps: expected increasing numbers": replace(HEAT, steps=STEPS[::-1]),
}


@pytest.mark.parametrize(("message", "chart"), BAD.items())
def test_bad_charts_are_refused_in_one_line(message: str, chart: AnyChart) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        check(chart)
    assert "\n" not in str(caught.value)
