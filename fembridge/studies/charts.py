"""What a run looks like: errors, spectra, steps to learn, drift, losses and images."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from fembridge.bridge.charts import AnyChart, Chart, HeatMap, Image, Pair
from fembridge.problem import Array
from fembridge.samples import Samples
from fembridge.studies.config import Config
from fembridge.studies.summary import amplitudes
from fembridge.studies.tables import VerdictTable
from fembridge.studies.trained import Trained

FALSE_ALARM = 0.05  # of the bands over seeds


def charts(config: Config, trained: Mapping[str, Trained], data: Samples | None) -> dict[str, AnyChart]:
    """Figures by file name.

    Of each activation the error of each frequency along training, as curves and as a heat map; of networks trained in
    full also the amplitudes of u beside those of f, the drift of the kernel, and in the plane u beside f. Of all
    together the steps to learn, the loss, and what there is of validation and signal to noise.
    """
    every: dict[str, AnyChart] = {}
    for label, found in trained.items():
        if len(found.frequencies):
            every[f"error-{label}"] = _errors(label, found)
            every[f"heat-{label}"] = _heat(label, found)
        if data is not None and len(found.frequencies):
            every[f"spectrum-{label}"] = _spectrum(label, found, data)
        if data is not None and (shape := _grid(data)):
            last = found.residuals[0, -1] + data.values
            panels = (("target", data.values.reshape(shape)), (label, last.reshape(shape)))
            every[f"image-{label}"] = Image(f"{label}: what was learned beside the target (first seed)", panels)
    if any(len(found.frequencies) for found in trained.values()):
        learning = _learning(trained, config.verdict)
        if data is None or any(_is_seen(pair) for pair in learning.pairs):
            every["steps-to-learn"] = learning
    if data is not None:
        every |= _along_training(config, trained, data)
    return every


def _errors(label: str, found: Trained) -> Chart:
    predicted = _means(found)[0]
    floor = None if found.noise_floor is None or predicted is None else found.noise_floor * float(predicted[0].max())
    pairs = tuple(
        _pair(f"k = {_name(k)}", found.steps, _column(predicted, i), np.abs(found.measured[:, :, i]))
        for i, k in enumerate(found.frequencies)
    )
    return Chart(f"{label}: error of each frequency", "step", "amplitude of the error", pairs, noise_floor=floor)


def _heat(label: str, found: Trained) -> HeatMap:
    predicted, measured = _means(found)
    start = (measured if predicted is None else predicted)[0]
    return HeatMap(
        f"{label}: error relative to its start",
        np.asarray(found.steps, dtype=float),
        np.asarray(found.frequencies, dtype=float),
        None if predicted is None else _relative(predicted, start),
        _relative(measured, start),
        repeats=len(found.measured),
    )


def _spectrum(label: str, found: Trained, data: Samples) -> HeatMap:
    """|û_k|/|f̂_k|: u = f + r, and so are its coefficients. Source: Rahaman et al., arXiv 1806.08734, figure 1."""
    target = data.read(data.values)
    size = np.abs(target)
    return HeatMap(
        f"{label}: amplitude of the network relative to the target's",
        np.asarray(found.steps, dtype=float),
        np.asarray(found.frequencies, dtype=float),
        None if found.predicted is None else _relative(amplitudes(found.predicted + target), size),
        _relative(amplitudes(found.measured + target), size),
        repeats=len(found.measured),
        quantity="amplitude relative to the target's",
        scale="linear",
    )


def _learning(trained: Mapping[str, Trained], verdict: VerdictTable) -> Chart:
    """Steps to learn; beside an exponent, which is fitted so, what was never learned stands at the last step."""
    from fembridge.bridge.learning import first_below

    pairs, learned, ends = [], verdict.learned, verdict.statistic == "exponent"
    for label, found in trained.items():
        measured = np.stack([first_below(found.steps, np.abs(each), learned) for each in found.measured])
        if ends:
            measured = np.where(np.isnan(measured), found.steps[-1], measured)
        predicted = None if found.predicted_steps is None else np.mean(found.predicted_steps, axis=0)
        if predicted is not None:
            predicted = np.where(np.isfinite(predicted), predicted, np.nan)
        pairs.append(_pair(label, found.sizes, predicted, measured))
    return Chart(
        f"Steps until the error is {learned:.0%} of its start" + ", the last one where it never is" * ends,
        "frequency" if all(np.ndim(k) == 0 for found in trained.values() for k in found.frequencies) else "|k|",
        "steps",
        tuple(pairs),
    )


def _along_training(config: Config, trained: Mapping[str, Trained], data: Samples) -> dict[str, AnyChart]:
    """Numbers of each seed against the steps, all activations together."""
    from fembridge.bridge.learning import psnr

    def chart(title: str, ylabel: str, values: Callable[[Trained], Array | None]) -> Chart | None:
        found = {label: (one, values(one)) for label, one in trained.items()}
        pairs = tuple(
            _pair(label, one.steps[-each.shape[1] :], None, each)
            for label, (one, each) in found.items()
            if each is not None
        )
        linear = ylabel in ("dB", "part that is right")
        return Chart(title, "step", ylabel, pairs, yscale="linear" if linear else "log") if pairs else None

    def noise(found: Trained) -> Array | None:
        image = config.verdict.statistic == "psnr" or _grid(data) is not None
        return np.stack([psnr(each, data.values) for each in found.residuals]) if image else None

    every = {
        "loss": chart("Loss along training", "loss", lambda one: one.loss),
        "drift": chart("How far the kernel has moved", "|K(t) − K(0)| / |K(0)|", _moved),
        "validation-loss": chart("Loss on data not trained with", "loss", lambda one: _entry(one.validation, 0)),
        "accuracy": chart(
            "Classes found on data not trained with", "part that is right", lambda one: _entry(one.validation, 1)
        ),
        "psnr": chart("Peak signal to noise ratio", "dB", noise),
    }
    return {name: one for name, one in every.items() if one is not None}


def _pair(label: str, x: object, predicted: Array | None, measured: Array) -> Pair:
    """measured (R, X): its mean over R seeds, with the 95 % interval of the mean where there are several."""
    from fembridge.bridge.verdict import interval

    low, high = interval(measured, FALSE_ALARM) if len(measured) > 1 else (None, None)
    return Pair(label, np.asarray(x, dtype=float), predicted, measured.mean(axis=0), low, high)


def _is_seen(pair: Pair) -> bool:
    return any(values is not None and np.isfinite(values).any() for values in (pair.predicted, pair.measured))


def _moved(found: Trained) -> Array | None:
    """The drift after step 0, where the kernel moves at all."""
    return found.drift[:, 1:] if found.drift is not None and found.drift[:, 1:].any() else None


def _means(found: Trained) -> tuple[Array | None, Array]:
    return None if found.predicted is None else amplitudes(found.predicted), amplitudes(found.measured)


def _column(values: Array | None, i: int) -> Array | None:
    return None if values is None else values[:, i]


def _entry(values: Array | None, i: int) -> Array | None:
    return None if values is None else values[:, :, i]


def _relative(values: Array, start: Array) -> Array:
    return values / np.where(start > 0, start, np.nan)


def _name(k: int | tuple[int, ...]) -> str:
    return f"({', '.join(str(part) for part in k)})" if isinstance(k, tuple) else f"{k:g}"


def _grid(data: Samples) -> tuple[int, int] | None:
    """Rows and columns of points that make a grid in the plane, row after row; None for others."""
    if data.points.shape[1] != 2 or data.values.ndim > 1:
        return None
    rows, columns = (len(np.unique(axis)) for axis in data.points.T)
    whole = rows * columns == len(data) and min(rows, columns) > 1
    return (rows, columns) if whole else None
