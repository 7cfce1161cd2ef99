"""Pictures show the numbers of their course: lines, heat maps, histograms; a cell's labels lie on its edges."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from bionas_cupy.analysis.cell_picture import CellEdge, cell_picture, cells_of_genotype
from bionas_cupy.analysis.course import Course, Row
from bionas_cupy.analysis.distributions import histograms
from bionas_cupy.analysis.histogram import BINS, SIDE
from bionas_cupy.analysis.numbers import HISTOGRAMS, NAMES
from bionas_cupy.analysis.pictures import ANGLES, MANY, draw_all, heat_map, lines
from bionas_cupy.analysis.style import RULES, drawing
from bionas_cupy.benchmarks.table_search_pictures import curves
from bionas_cupy.search.genotype import Genotype

pytest.importorskip("matplotlib")
ANGLE = NAMES.index("angle_update")


def course(layers, steps=4):
    rules = ("usf", "fa")
    rows = [
        Row(f"l{i}", -1, "linear", rules[i % 2], 1.0, (2, 2), "feedback", "descent", ())
        for i in range(layers)
    ]
    numbers = np.full((steps, layers, len(NAMES)), np.nan)
    numbers[..., ANGLE] = np.random.default_rng(0).uniform(0, 90, (steps, layers))
    return Course(rows, np.arange(0, 10 * steps, 10), numbers, title="t")


def test_a_line_a_layer():
    told = course(3)
    axes = lines(told, "angle_update", "angle (°)").axes[0]
    drawn = {line.get_label(): line.get_xydata() for line in axes.lines if line.get_label()[0] == "l"}
    assert list(drawn) == ["l0", "l1", "l2"]
    for i, line in enumerate(drawn.values()):
        assert np.array_equal(line, np.stack([told.updates, told.of("angle_update")[:, i]], axis=1))


def test_many_layers_are_medians_by_rule():
    told = course(MANY + 2)
    axes = lines(told, "angle_update", "angle (°)").axes[0]
    drawn = {line.get_label().partition(":")[0]: line.get_ydata() for line in axes.lines}
    for first, rule in enumerate(("usf", "fa")):
        assert np.allclose(drawn[rule], np.median(told.of("angle_update")[:, first::2], axis=1))
    assert len(axes.collections) == 2  # the quartiles


def test_what_only_windows_have_is_drawn_from_window_to_window(tmp_path):
    told = course(2)
    told.numbers[1::2, :, NAMES.index("snr")] = [[1.0, 2.0], [3.0, 4.0]]
    axes = lines(told, "snr", "SNR").axes[0]
    assert [line.get_xydata().tolist() for line in axes.lines] == [[[10, 1], [30, 3]], [[10, 2], [30, 4]]]
    names = {path.name for path in draw_all(told, tmp_path)}
    assert {"snr.svg", "snr.png", "angle_update.svg", "angle_update_map.png"} <= names
    assert not {"variance_update.png", "histograms.png"} & names


def test_a_heat_map_has_layers_from_the_data_down():
    told = course(5)
    axes = heat_map(told, "angle_update", "angle (°)").axes[0]
    assert np.array_equal(axes.images[0].get_array(), told.of("angle_update").T)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["l0", "l1", "l2", "l3", "l4"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "10", "20", "30"]


def test_a_title_beside_long_names_stays_within_the_picture():
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    told = course(5)
    told.rows = [
        replace(row, layer=f"cell0.edge{i}.sep_conv_3x3.depthwise0") for i, row in enumerate(told.rows)
    ]
    told.title = "runs/searches/found/genotype.json, usf, cifar10"
    with drawing():
        made = heat_map(told, "angle_update", ANGLES["angle_below"])
        canvas = FigureCanvasAgg(made)
        canvas.draw()
    titles = [made._suptitle, made.axes[0].title]
    for text in [each for each in titles if each is not None and each.get_text()]:
        box = text.get_window_extent(canvas.get_renderer())
        assert box.x0 >= 0
        assert box.x1 <= made.bbox.x1


def test_histograms_are_shares_per_octave_in_their_bins():
    told = course(1)
    told.histograms = np.zeros((4, 1, len(HISTOGRAMS), BINS), np.int64)
    told.histograms[:, 0, HISTOGRAMS.index("W"), SIDE + 65] = 3  # [1, 1.5)
    told.histograms[:, 0, HISTOGRAMS.index("W"), SIDE - 66] = 1  # (-2, -1.5]
    panel = histograms(told).axes[HISTOGRAMS.index("W")]
    minus, plus = (patch.get_data() for patch in panel.patches)
    assert plus.values[np.flatnonzero(plus.values)] == pytest.approx(0.75 / np.log2(1.5))
    assert minus.values[np.flatnonzero(minus.values)] == pytest.approx(0.25 / np.log2(2 / 1.5))
    (at,) = np.flatnonzero(plus.values)
    assert np.diff(plus.edges)[at] == pytest.approx(np.log10(1.5))


@pytest.mark.parametrize("longest", [3, 10, 20, 45])
def test_labels_of_magnitudes_do_not_meet(longest):
    """Histograms over few bins and many, from small magnitudes to large ones."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    told = course(1)
    told.histograms = np.zeros((4, 1, len(HISTOGRAMS), BINS), np.int64)
    for n in range(len(HISTOGRAMS)):
        for bin_ in range(5 * n, 5 * n + longest + n):
            told.histograms[:, 0, n, [SIDE + 1 + bin_, SIDE - 1 - bin_]] = 1
    made = histograms(told)
    canvas = FigureCanvasAgg(made)
    canvas.draw()
    for panel in made.axes:
        boxes = [label.get_window_extent(canvas.get_renderer()) for label in panel.get_xticklabels()]
        edges = sorted((box.x0, box.x1) for box in boxes)
        assert len(edges) >= 2
        assert all(after[0] > before[1] for before, after in pairwise(edges))


def test_a_label_lies_on_the_middle_of_its_edge():
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    edges = [CellEdge(2, 0, "sep_conv_3x3", "usf", 0.2), CellEdge(5, 1, "dil_conv_5x5", "fa", 0.3)]
    edges += [CellEdge(node, 0, "skip_connect", "no weights", None) for node in (3, 4)]
    made = cell_picture(edges, "t")
    FigureCanvasAgg(made).draw()
    (axes,) = made.axes
    to_pixels = axes.transData.transform
    labels = {text.get_text(): to_pixels(text.get_position()) for text in axes.texts}
    for edge, arrow in zip(edges[:2], axes.patches, strict=False):
        start, end = (to_pixels(place) for place in arrow._posA_posB)
        start, control, end = arrow.get_connectionstyle()(start, end).vertices
        middle = (start + 2 * control + end) / 4
        assert labels[edge.op.replace("_", " ")] == pytest.approx(middle, abs=2.0)


def test_the_curves_of_searches_are_means_over_seeds():
    found = {"ga": np.array([[91.0, 93.0, 94.0], [93.0, 93.0, 94.2]]), "random": np.full((2, 3), 92.0)}
    axes = curves(found, "test").axes[0]
    drawn = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
    assert drawn["ga"] == [[1, 92.0], [2, 93.0], [3, pytest.approx(94.1)]]
    assert drawn["random"] == [[1, 92.0], [2, 92.0], [3, 92.0]]
    low, high = axes.get_ylim()
    assert 90 <= low < 92
    assert 94.1 < high < 94.5


def test_a_cell_has_the_colours_of_its_rules_and_the_thickness_of_its_weights(tmp_path):
    from matplotlib.colors import to_hex

    edges = [CellEdge(2, 0, "sep_conv_3x3", "usf", 0.1), CellEdge(2, 1, "sep_conv_3x3", "fa", 0.3)]
    edges += [CellEdge(3, 2, "skip_connect", "no weights", 0.2)]
    arrows = cell_picture(edges, "t").axes[0].patches
    assert [to_hex(arrow.get_edgecolor()).upper() for arrow in arrows[:2]] == [RULES["usf"], RULES["fa"]]
    thin, thick, middle = (arrow.get_linewidth() for arrow in arrows)
    assert thin < middle < thick
    assert middle == pytest.approx((thin + thick) / 2)


def test_the_cells_of_a_genotype():
    edge = {"node": 2, "from": 0, "op": "sep_conv_3x3", "rule": "usf"}
    skip = {"node": 2, "from": 1, "op": "skip_connect", "rule": None}
    found = cells_of_genotype(Genotype.model_validate({"normal": [edge], "reduce": [skip], "concat": [2]}))
    assert found == {
        "normal": [CellEdge(2, 0, "sep_conv_3x3", "usf", None)],
        "reduce": [CellEdge(2, 1, "skip_connect", "no weights", None)],
    }
