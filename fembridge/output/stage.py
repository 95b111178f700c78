"""The frames of a film of learning: the function, its breakpoints, what is missing, and the error of each frequency."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from fembridge.bridge.films import Bends, Film
from fembridge.output.curves import GREY, PALETTE, palette
from fembridge.output.figures import STYLE
from fembridge.problem import Array

Pixels = NDArray[np.uint8]
Update = Callable[[int], None]

DPI, HEIGHT = 100, 7.2  # inches
FEW = 80  # data, up to which they are marked
NEURONS = 400  # shown, at most
FAR = 2.0  # ranges of the target, beyond which an axis does not follow a network
SIDES = ((1, ">", "w > 0"), (-1, "<", "w < 0"), (0, "o", "breakpoint of u"))
HEIGHTS = {"neurons": "neuron: v |w|", "kinks": "jump of slope", "first layer": "neuron of layer 1: |w|"}


class Stage:
    """A figure of which each frame draws anew only what moves.

    The still part is drawn once and kept as pixels; a frame puts it back and draws lines, markers and numbers on it.
    All axes stay as they are over the whole film. A film shorter than another stays at its last frame.
    """

    def __init__(self, films: Sequence[Film]) -> None:
        self.films, self.count = films, max(len(film.steps) for film in films)
        self.moving: list[Artist] = []
        self.updates: list[Update] = []
        with rc_context(STYLE):
            width = 1.9 + 3.6 * max(len(films), 1.4)
            self.figure = Figure(figsize=(_even(width), _even(HEIGHT)), dpi=DPI, layout="constrained")
            self.canvas = FigureCanvasAgg(self.figure)
            self._build()
            self.canvas.draw()
            self.figure.set_layout_engine("none")
            self.still = self.canvas.copy_from_bbox(self.figure.bbox)

    def image(self, i: int) -> Pixels:
        """Frame i, (height, width, 3)."""
        with rc_context(STYLE):
            for update in self.updates:
                update(i)
            self.canvas.restore_region(self.still)
            for artist in self.moving:
                self.figure.draw_artist(artist)
            return np.asarray(self.canvas.buffer_rgba())[..., :3].copy()

    def _build(self) -> None:
        rows = self.figure.add_gridspec(
            4, len(self.films) + 1, width_ratios=[*[1.0] * len(self.films), 0.36], height_ratios=[1.25, 1.1, 0.7, 1.3]
        )
        longest = max(self.films, key=lambda film: len(film.steps))
        title = self.figure.suptitle("step 0", x=0.01, horizontalalignment="left", fontsize=12)
        self._moves(title, lambda i: title.set_text(f"step {int(longest.steps[i]):,}"))
        upper, lower = _limits([f.target for f in self.films], [f.u for f in self.films]), _missing(self.films)
        errors = _decades(self.films)
        for j, film in enumerate(self.films):
            top, middle, below, bottom = (self.figure.add_subplot(rows[i, j]) for i in range(4))
            self._function(top, film, upper)
            self._bends(middle, film)
            self._residual(below, film, lower)
            self._errors(bottom, film, errors)
            for axes in (top, middle, below):
                axes.set_xlim(film.domain)
            for axes in (top, middle):
                axes.tick_params(labelbottom=False)
            if j:
                for axes in (top, below, bottom):
                    axes.tick_params(labelleft=False)
                    axes.set_ylabel("")
        for i, handles in enumerate(_legends(self.films)):
            keys = self.figure.add_subplot(rows[i, -1])
            keys.set_axis_off()
            if handles:
                keys.legend(handles=handles, loc="upper left", bbox_to_anchor=(-0.1, 1.0), borderaxespad=0)

    def _moves(self, artist: Artist, update: Callable[[int], Any]) -> None:
        artist.set_animated(True)
        self.moving.append(artist)
        self.updates.append(update)

    def _function(self, axes: Axes, film: Film, limits: tuple[float, float]) -> None:
        axes.plot(film.x, film.target, color=GREY, linewidth=2.4, alpha=0.45)
        if len(film.points) <= FEW:
            axes.plot(film.points, film.values, ".", color=GREY, markersize=3.5)
        (line,) = axes.plot(film.x, film.x, color=PALETTE[0])
        u = np.clip(film.u, *_wider(limits))
        self._moves(line, lambda i: line.set_ydata(u[_row(film, i)]))
        axes.set(ylim=limits, ylabel="u(x) and f(x)")
        axes.set_title(film.label)
        told = axes.text(1.0, 1.02, "", transform=axes.transAxes, ha="right", va="bottom", fontsize=8, color=GREY)
        self._moves(told, lambda i: told.set_text(_told(film, i)))

    def _bends(self, axes: Axes, film: Film) -> None:
        every = [_thinned(frame.bends) for frame in film.frames]
        axes.set_yscale("function", functions=(_root, _square))  # most heights are small, and a few are large
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.axhline(0, color=GREY, linewidth=0.7)
        axes.plot(every[0].positions, every[0].heights, "o", color="0.8", markersize=3, zorder=1)
        dense = max(len(one.positions) for one in every) > 200
        (stems,) = axes.plot([], [], color=PALETTE[5], linewidth=0.6, alpha=0.2 if dense else 0.6)
        self._moves(stems, lambda i: stems.set_data(*_stems(every[_row(film, i)])))
        for side, marker, _ in SIDES:
            (dots,) = axes.plot([], [], marker, color=PALETTE[1], markersize=3.0 if dense else 4.5, markeredgewidth=0)
            self._moves(dots, _placed(dots, every, side))
        for left in (True, False):
            x, align = (0.0, "left") if left else (1.0, "right")
            count = axes.text(x, 1.02, "", transform=axes.transAxes, ha=align, va="bottom", fontsize=8, color=GREY)
            self._moves(count, _counted(count, film, left))
        axes.set(ylim=_heights(every, film.domain), ylabel=HEIGHTS[every[0].kind])
        stride = _stride(film.frames[0].bends)  # a title in any case: it makes room for the numbers beside it
        axes.set_title(f"one in {stride} neurons" if stride > 1 else " ", loc="center", fontsize=8, color=GREY)

    def _residual(self, axes: Axes, film: Film, limits: tuple[float, float]) -> None:
        axes.axhline(0, color=GREY, linewidth=0.7)
        (line,) = axes.plot(film.x, film.x, color=PALETTE[2])
        values = np.clip(film.residuals, *_wider(limits))
        self._moves(line, lambda i: line.set_ydata(values[_row(film, i)]))
        axes.set(ylim=limits, xlabel="x", ylabel="u − f")

    def _errors(self, axes: Axes, film: Film, limits: tuple[float, float]) -> None:
        last = max(int(one.steps[-1]) for one in self.films)
        axes.set_xscale("symlog", linthresh=1, linscale=0.4, subs=range(2, 10))
        axes.set(yscale="log", ylim=limits, xlim=(0, 1.15 * last), xlabel="step", ylabel="error at frequency k")
        now = axes.axvline(0, color=GREY, linewidth=1.0)
        self._moves(now, lambda i: now.set_xdata([film.steps[_row(film, i)]] * 2))
        for k, color in enumerate(palette(len(film.frequencies))):
            if film.predicted is not None:
                axes.plot(film.steps, _positive(film.predicted[:, k]), color=color, linewidth=1.2, alpha=0.8)
            style = "-" if film.predicted is None else "o"
            (path,) = axes.plot([], [], style, color=color, markersize=3, markerfacecolor="none", markeredgewidth=0.8)
            self._moves(path, _travelled(path, film, k))


# ---- what moves ----


def _row(film: Film, i: int) -> int:
    return min(i, len(film.steps) - 1)


def _told(film: Film, i: int) -> str:
    if film.diverged is not None and i >= len(film.steps) - 1:
        return f"diverged at step {film.diverged:,}"
    if film.drift is not None:
        return f"kernel moved by {film.drift[_row(film, i)]:.2g}"
    return ""


def _stems(bends: Bends) -> tuple[Array, Array]:
    """Lines from (x, 0) to (x, height), with gaps between them."""
    x, h = bends.positions, bends.heights
    gap = np.full_like(x, np.nan)
    return np.stack([x, x, gap], axis=1).ravel(), np.stack([np.zeros_like(h), h, gap], axis=1).ravel()


def _placed(dots: Line2D, every: Sequence[Bends], side: int) -> Update:
    def update(i: int) -> None:
        bends = every[min(i, len(every) - 1)]
        mine = bends.orientations == side
        dots.set_data(bends.positions[mine], bends.heights[mine])

    return update


def _counted(text: Any, film: Film, left: bool) -> Update:
    def update(i: int) -> None:
        before, after = film.frames[_row(film, i)].bends.outside(film.domain)
        words = f"◂ {before} more" if left else f"{after} more ▸"
        text.set_text(words if (before if left else after) else "")

    return update


def _travelled(path: Line2D, film: Film, k: int) -> Update:
    values = _positive(film.measured[:, k])

    def update(i: int) -> None:
        end = _row(film, i) + 1
        path.set_data(film.steps[:end], values[:end])

    return update


# ---- what stays ----


def _even(inches: float) -> float:
    """An even number of pixels, which video asks for."""
    return 2 * round(inches * DPI / 2) / DPI


def _positive(values: Array) -> Array:
    return np.where((values > 0) & (values < 1e200), values, np.nan)


def _limits(targets: Sequence[Array], values: Sequence[Array]) -> tuple[float, float]:
    """From the least to the greatest value of all frames, as far as that is within FAR ranges of the target."""
    low, high = min(float(t.min()) for t in targets), max(float(t.max()) for t in targets)
    size = (high - low) or 1.0
    least = max(min(low, *(float(v.min()) for v in values)), low - FAR * size)
    greatest = min(max(high, *(float(v.max()) for v in values)), high + FAR * size)
    margin = 0.05 * (greatest - least)
    return least - margin, greatest + margin


def _missing(films: Sequence[Film]) -> tuple[float, float]:
    """Limits of the residual, about zero."""
    size = max(float(np.ptp(film.target)) or 1.0 for film in films)
    largest = min(max(float(np.abs(film.residuals).max()) for film in films), FAR * size)
    return -1.05 * largest, 1.05 * largest


def _wider(limits: tuple[float, float]) -> tuple[float, float]:
    """Where lines are cut that leave an axis, so that pixels stay within the range of numbers."""
    size = limits[1] - limits[0]
    return limits[0] - 10 * size, limits[1] + 10 * size


def _decades(films: Sequence[Film]) -> tuple[float, float]:
    """Limits of the errors: those measured, up to FAR decades above their start."""
    values = np.concatenate([_positive(film.measured).ravel() for film in films])
    start = max(float(film.measured[0].max()) for film in films) or 1.0
    low = max(float(np.nanmin(values, initial=start)), 1e-14 * start)
    high = min(float(np.nanmax(values, initial=start)), 10**FAR * start)
    return low / 1.5, high * 1.5


def _stride(bends: Bends) -> int:
    return 1 if bends.kind == "kinks" else max(1, -(-len(bends.positions) // NEURONS))


def _thinned(bends: Bends) -> Bends:
    """Every so manieth neuron of very many."""
    if (stride := _stride(bends)) == 1:
        return bends
    return Bends(bends.kind, bends.positions[::stride], bends.heights[::stride], bends.orientations[::stride])


def _heights(every: Sequence[Bends], domain: tuple[float, float]) -> tuple[float, float]:
    """Limits about zero that hold every height inside the domain."""
    inside = [one.heights[(one.positions >= domain[0]) & (one.positions <= domain[1])] for one in every]
    heights = np.concatenate(inside)
    low, high = float(heights.min(initial=0)), float(heights.max(initial=0))
    size = (high - low) or 1.0
    return 1.15 * low - 0.01 * size, 1.15 * high + 0.01 * size


def _root(h: Array) -> Array:
    return np.sign(h) * np.sqrt(np.abs(h))


def _square(h: Array) -> Array:
    return np.sign(h) * h**2


def _legends(films: Sequence[Film]) -> list[list[Line2D]]:
    """Keys to the four rows."""
    function = [_key("target f", "-", GREY, linewidth=2.4, alpha=0.45), _key("network u", "-", PALETTE[0])]
    if any(0 < len(film.points) <= FEW for film in films):
        function.insert(1, _key("data", ".", GREY))
    sides = {side for film in films for frame in film.frames for side in frame.bends.orientations}
    bends = [_key(name, marker, PALETTE[1], markeredgewidth=0) for side, marker, name in SIDES if side in sides]
    bends.append(_key("at the start", "o", "0.8", markersize=3))
    frequencies = films[0].frequencies
    errors = [_key(f"k = {k}", "-", c) for k, c in zip(frequencies, palette(len(frequencies)), strict=True)]
    if any(film.predicted is not None for film in films):
        errors += [_key("theory", "-", GREY), _key("experiment", "o", GREY, markersize=3, markerfacecolor="none")]
    return [function, bends, [], errors]


def _key(label: str, style: str, color: Any, **more: Any) -> Line2D:
    kind: dict[str, Any] = {"linestyle": "-"} if style == "-" else {"linestyle": "none", "marker": style}
    return Line2D([], [], label=label, color=color, **kind, **more)
