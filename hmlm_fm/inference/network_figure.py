"""A drawing of a network: molecules in layers, from what was treated to what was measured.

Signs differ in form as well as in colour, so that they can be told apart in grey: an activation
ends in an arrow, an inhibition in a bar, on a dashed line; an unknown sign is dotted and ends in a
ring. All lines of one sign that come to a molecule from one side end in one place.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from os.path import commonprefix
from pathlib import Path as FilePath
from typing import Any

from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Patch, PathPatch, Polygon
from matplotlib.path import Path
from matplotlib.textpath import TextToPath

from ..model.network import Molecule, SignalingNetwork
from .network_layout import Layout, lay_out

FONT_POINTS = 7.0
DPI = 300
# Inches.
BOX_HEIGHT, ROOM, ROOM_OF_LINE = 0.165, 0.235, 0.065
PADDING, POINT, MARGIN, HEAD = 0.05, 0.06, 0.08, 0.06
PAGE_WIDTH, GAPS = 7.2, (0.42, 0.8)
"""Of a journal's page, which the gaps between layers aim at, and the least and most of these."""
LINE_WIDTH = 0.65  # points
SHORTEST_STEM = 3
LEGEND_WIDTH, LEGEND_HEIGHT, SCALE_HEIGHT = 4.6, 0.32, 0.35

STYLE_OF_SIGN = {1: ("#6b7f99", "-"), -1: ("#8f1d14", (0, (3.5, 1.2))), 0: ("#777777", ":")}
SIGN_WORDS = {1: "activation", -1: "inhibition", 0: "sign unknown"}
TREATED, MEASURED, BETWEEN = "#ffe2a0", "#bcdcf5", "#f4f4f4"
ACTIVITY_MAP = "viridis"


@dataclass(frozen=True)
class _Box:
    """A molecule's box: its left edge, its middle and its width."""

    left: float
    middle: float
    width: float

    @property
    def right(self) -> float:
        return self.left + self.width


def draw_network(
    network: SignalingNetwork,
    path: FilePath,
    *,
    treated: Collection[str] = (),
    measured: Collection[str] = (),
    activity: Mapping[str, float] | None = None,
) -> None:
    """Draw a network in layers, from the left to the right.

    What was treated is pointed, what was measured has a thick edge. The figure is as large as its
    labels need at a size of 7 points; AND groups are drawn as their single sources.

    Args:
        network: what is drawn.
        path: of the file, whose ending gives its format: PNG, SVG or PDF.
        treated, measured: names of molecules.
        activity: states in [0, 1] that colour the molecules; others stay white.

    Raises:
        NetworkError: a name is no molecule of the network.
        OSError: the file cannot be written.
    """
    for name in (*treated, *measured, *(activity or ())):
        network.molecule(name)
    layout = lay_out(network, treated, ROOM, ROOM_OF_LINE)
    labels = {molecule.name: _label(molecule) for molecule in network.molecules}
    boxes = _boxes(layout, labels)
    width = max(*(box.right + MARGIN for box in boxes.values()), LEGEND_WIDTH)
    height = layout.top + ROOM
    below = LEGEND_HEIGHT + (0.0 if activity is None else SCALE_HEIGHT)
    # Text stays text in SVG, and files do not depend on the day.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": network.name, "pdf.fonttype": 42}):
        figure = Figure(figsize=(width, height + below))
        axes = figure.add_axes((0, below / (height + below), 1, height / (height + below)))
        axes.set(xlim=(0, width), ylim=(-ROOM / 2, layout.top + ROOM / 2))
        axes.set_axis_off()
        _draw_lines(axes, network, layout, boxes)
        _draw_boxes(axes, boxes, labels, set(treated), set(measured), activity)
        _draw_legend(figure, network, bool(treated), bool(measured), activity is not None)
        if activity is not None:
            _draw_scale(figure, height + below)
        figure.savefig(path, dpi=DPI, metadata=_metadata(path))


def _metadata(path: FilePath) -> dict[str, None]:
    return {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(path.suffix.lower(), {})


# -- molecules ----------------------------------------------------------------------------------


def _label(molecule: Molecule) -> str:
    """The name as it is drawn: genes of one family in short, MAPK8/9 for MAPK8/MAPK9."""
    name, parts = molecule.name, molecule.name.split("/")
    stem = commonprefix(parts).rstrip("0123456789")
    if tuple(parts) == molecule.members and len(stem) >= SHORTEST_STEM and stem != parts[0]:
        name = "/".join([parts[0], *(part[len(stem) :] for part in parts[1:])])
    return name.replace("$", r"\$")  # which would begin mathematics


def _boxes(layout: Layout, labels: Mapping[str, str]) -> dict[str, _Box]:
    """Boxes in columns that are as wide as their widest label."""
    font, measure = FontProperties(size=FONT_POINTS), TextToPath()
    wide = {
        name: measure.get_text_width_height_descent(label, font, False)[0] / 72
        + 2 * PADDING
        + POINT
        for name, label in labels.items()
    }
    widest = [0.0] * (max(layout.layer.values()) + 1)
    for name, layer in layout.layer.items():
        widest[layer] = max(widest[layer], wide[name])
    gap = (PAGE_WIDTH - 2 * MARGIN - sum(widest)) / max(len(widest) - 1, 1)
    gap = min(max(gap, GAPS[0]), GAPS[1])
    lefts = [MARGIN + sum(widest[:c]) + c * gap for c in range(len(widest))]
    return {
        name: _Box(lefts[layer] + (widest[layer] - wide[name]) / 2, layout.height[name], wide[name])
        for name, layer in layout.layer.items()
    }


def _draw_boxes(
    axes: Axes,
    boxes: Mapping[str, _Box],
    labels: Mapping[str, str],
    treated: Collection[str],
    measured: Collection[str],
    activity: Mapping[str, float] | None,
) -> None:
    shades = colormaps[ACTIVITY_MAP]
    for name, box in boxes.items():
        face: str | tuple[float, ...] = BETWEEN
        ink = "black"
        if activity is not None:
            face = "white"
            if name in activity:
                red, green, blue, _ = shades(min(max(activity[name], 0.0), 1.0))
                face = (red, green, blue)
                ink = "white" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.5 else "black"
        elif name in treated or name in measured:
            face = TREATED if name in treated else MEASURED
        known = name in treated or name in measured
        edge: dict[str, Any] = {
            "facecolor": face,
            "edgecolor": "black" if known else "#9a9a9a",
            "linewidth": 1.5 if name in measured else 0.7,
            "zorder": 3,
        }
        low, high = box.middle - BOX_HEIGHT / 2, box.middle + BOX_HEIGHT / 2
        if name in treated:
            shoulder = box.right - POINT
            corners = [
                (box.left, low), (shoulder, low), (box.right, box.middle),
                (shoulder, high), (box.left, high),
            ]  # fmt: skip
            axes.add_patch(Polygon(corners, closed=True, joinstyle="miter", **edge))
        else:
            style = f"round,pad=0,rounding_size={0.02 if name in measured else 0.07}"
            axes.add_patch(
                FancyBboxPatch((box.left, low), box.width, BOX_HEIGHT, boxstyle=style, **edge)
            )
        middle = (box.left + box.right - (POINT / 2 if name in treated else 0)) / 2
        axes.text(
            middle, box.middle, labels[name], fontsize=FONT_POINTS, color=ink,
            ha="center", va="center_baseline", zorder=4,
        )  # fmt: skip


# -- interactions -------------------------------------------------------------------------------


def _draw_lines(
    axes: Axes, network: SignalingNetwork, layout: Layout, boxes: Mapping[str, _Box]
) -> None:
    signs = _signs(network)
    coming: dict[tuple[str, bool], set[int]] = {}
    for (source, target), sign in signs.items():
        side = _from_left(source, target, layout)
        coming.setdefault((target, side), set()).add(sign)
    columns = _column_edges(layout, boxes)
    heads = set()
    for (source, target), sign in sorted(signs.items(), key=lambda item: -item[1]):
        from_left = _from_left(source, target, layout)
        port = _port(sorted(coming[target, from_left], reverse=True), sign, from_left)
        box = boxes[target]
        end = (box.left if from_left else box.right, box.middle + port)
        colour, dashes = STYLE_OF_SIGN[sign]
        line = _curve(source, target, layout, boxes, columns, end, from_left)
        axes.add_patch(
            PathPatch(
                line, fill=False, edgecolor=colour, linestyle=dashes, linewidth=0.65, zorder=1
            )
        )
        if (end, sign) not in heads:
            heads.add((end, sign))
            _draw_head(axes, end, -1 if from_left else 1, sign, colour)


def _signs(network: SignalingNetwork) -> dict[tuple[str, str], int]:
    """The sign of each line between two molecules; 0 where interactions state both."""
    signs: dict[tuple[str, str], int] = {}
    for interaction in network.interactions:
        for source, sign in zip(interaction.sources, interaction.signs, strict=True):
            pair = source, interaction.target
            if source != interaction.target:
                signs[pair] = sign if signs.get(pair, sign) == sign else 0
    return signs


def _from_left(source: str, target: str, layout: Layout) -> bool:
    """Whether a line comes to its target from the left; within a layer it comes from the right."""
    return layout.layer[source] < layout.layer[target]


def _port(signs: list[int], sign: int, from_left: bool) -> float:
    """How far above its middle lines of a sign come to a box; on the right those that leave are in
    the middle."""
    if from_left:
        places = {1: [0.0], 2: [0.27, -0.27], 3: [0.36, 0.0, -0.36]}[len(signs)]
        return places[signs.index(sign)] * BOX_HEIGHT
    return {1: 0.4, 0: 0.2, -1: -0.4}[sign] * BOX_HEIGHT


def _column_edges(layout: Layout, boxes: Mapping[str, _Box]) -> list[tuple[float, float]]:
    """Where each column of boxes begins and ends."""
    edges: list[tuple[float, float]] = []
    for column in range(max(layout.layer.values()) + 1):
        inside = [box for name, box in boxes.items() if layout.layer[name] == column]
        edges.append(
            (min(b.left for b in inside), max(b.right for b in inside)) if inside else edges[-1]
        )
    return edges


def _curve(
    source: str,
    target: str,
    layout: Layout,
    boxes: Mapping[str, _Box],
    columns: list[tuple[float, float]],
    end: tuple[float, float],
    from_left: bool,
) -> Path:
    """A smooth line that runs level through each column and bends between them."""
    box, side = boxes[source], -1 if from_left else 1
    stop = (end[0] + side * HEAD, end[1])
    start_layer, end_layer = layout.layer[source], layout.layer[target]
    if start_layer == end_layer:
        # The further they go, the further out, so that they part.
        span = abs(end[1] - box.middle) / max(layout.top, ROOM)
        reach = max(box.right, stop[0]) + 0.14 + 0.5 * span
        begin = (box.right, box.middle)
        return Path([begin, (reach, box.middle), (reach, stop[1]), stop], [1, 4, 4, 4])
    step = 1 if from_left else -1
    begin = (box.right if from_left else box.left, box.middle)
    points = [begin]
    for column, height in zip(
        range(start_layer + step, end_layer, step), layout.bends[source, target], strict=True
    ):
        points += [(edge, height) for edge in columns[column][::step]]
    points.append(stop)
    vertices, codes = [points[0]], [1]  # numbers of matplotlib's Path: move, line, cubic curve
    for i in range(1, len(points)):
        (x0, y0), (x1, y1) = points[i - 1], points[i]
        if i % 2 == 0:  # through a column
            vertices.append((x1, y1))
            codes.append(2)
            continue
        half = (x1 - x0) / 2
        vertices += [(x0 + half, y0), (x1 - half, y1), (x1, y1)]
        codes += [4, 4, 4]
    return Path(vertices, codes)


def _draw_head(axes: Axes, end: tuple[float, float], side: int, sign: int, colour: str) -> None:
    """The end of a line at a box; `side` is where the line comes from, -1 for the left."""
    x, y = end
    if sign > 0:
        corners = [(x, y), (x + side * HEAD, y + HEAD * 0.45), (x + side * HEAD, y - HEAD * 0.45)]
        axes.add_patch(Polygon(corners, closed=True, facecolor=colour, lw=0, zorder=5))
    elif sign < 0:
        across = x + side * 0.022
        axes.plot([across] * 2, [y - HEAD * 0.62, y + HEAD * 0.62], color=colour, lw=1.6, zorder=5,
                  solid_capstyle="butt")  # fmt: skip
        axes.plot([across, x + side * HEAD], [y, y], color=colour, lw=LINE_WIDTH, zorder=5)
    else:
        axes.plot(
            [x + side * HEAD / 2], [y], "o", ms=2.6, mfc="white", mec=colour, mew=0.6, zorder=5
        )


# -- legends ------------------------------------------------------------------------------------


def _draw_legend(
    figure: Figure, network: SignalingNetwork, treated: bool, measured: bool, coloured: bool
) -> None:
    entries: list[Patch | Line2D] = []
    if treated:
        face = "white" if coloured else TREATED
        entries.append(
            Line2D(
                [],
                [],
                marker=_PENTAGON,
                ms=11,
                mfc=face,
                mec="black",
                mew=0.7,
                lw=0,
                label="treated",
            )
        )
    if measured:
        face = "white" if coloured else MEASURED
        entries.append(Patch(facecolor=face, edgecolor="black", lw=1.5, label="measured"))
    for sign in sorted({*_signs(network).values()}, reverse=True):
        colour, dashes = STYLE_OF_SIGN[sign]
        marker = {1: ">", -1: "|", 0: "o"}[sign]
        entries.append(
            Line2D([0, 1], [0, 0], color=colour, ls=dashes, lw=0.9, marker=marker, markevery=[1],
                   ms=4 if sign >= 0 else 6, mew=0.6 if sign >= 0 else 1.6,
                   mfc="white" if not sign else colour, label=SIGN_WORDS[sign])
        )  # fmt: skip
    if entries:
        figure.legend(handles=entries, loc="lower center", ncols=len(entries), frameon=False,
                      fontsize=FONT_POINTS, handlelength=2.2, columnspacing=1.6)  # fmt: skip


_PENTAGON = Path([(-1, -0.5), (0.6, -0.5), (1, 0), (0.6, 0.5), (-1, 0.5), (-1, -0.5)])


def _draw_scale(figure: Figure, whole: float) -> None:
    axes = figure.add_axes((0.35, (LEGEND_HEIGHT + 0.1) / whole, 0.3, 0.07 / whole))
    figure.colorbar(
        ScalarMappable(Normalize(0, 1), ACTIVITY_MAP), cax=axes, orientation="horizontal"
    )
    axes.tick_params(labelsize=FONT_POINTS - 1, length=2, pad=1)
    axes.set_title("activity", fontsize=FONT_POINTS, pad=2)
