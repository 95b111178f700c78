"""One run file from start to end: predict, train, compare, and write the run folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fembridge.studies.charts import charts
from fembridge.studies.config import Config, config_hash, dump, has_exact_theory, samples
from fembridge.studies.environment import environment
from fembridge.studies.folders import result_folder, strict_json, write_json
from fembridge.studies.statistic import Statistic, statistic
from fembridge.studies.summary import arrays, metrics, summarise
from fembridge.studies.trained import Progress, Trained, seeds, train

if TYPE_CHECKING:
    from fembridge.bridge.verdict import Verdict
    from fembridge.samples import Samples


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run. trained: by the label of the activation; summary: what `run --json` prints."""

    folder: Path
    trained: Mapping[str, Trained]
    verdict: Verdict
    summary: Mapping[str, Any]


def run(
    config: Config,
    out: str | Path = "results/runs",
    *,
    progress: Progress | None = None,
    notice: Callable[[str], None] | None = None,
    device: str = "cpu",
    dtype: str | None = None,
) -> Run:
    """Predict and train each activation with each seed, judge the agreement, and write `out`/<hash of the run file>.

    The folder (device and dtype stand in its name where they are not cpu and the run file's) appears at the end, as a
    whole. Until then `out`/<its name>.partial holds checkpoints of networks that are trained in full: a run that was
    cut off, however hard, goes on from them when it is started again, which `notice` is told.

    Raises ValueError where the configuration asks for what theory or network cannot do, or `out` cannot be written.
    """
    from fembridge.bridge.verdict import worst

    if device.startswith("meta"):  # PyTorch's device of shapes alone
        raise ValueError(f'device: expected one that holds numbers, got "{device}"')
    kind = dtype or config.training.dtype
    special = [choice for choice, usual in ((device, "cpu"), (kind, config.training.dtype)) if choice != usual]
    path = Path(out) / "-".join([config_hash(config), *special])
    partial = path.with_name(f"{path.name}.partial")
    data = None if has_exact_theory(config) else samples(config)
    with result_folder(path) as folder:
        if notice and partial.is_dir():
            notice(f"going on from the checkpoints in {partial}")
        trained = {
            label: train(
                config, label, progress=progress, device=device, dtype=kind, checkpoint=partial / f"{label}.safetensors"
            )
            for label in config.network.activations
        }
        statistics = _statistics(config, trained)
        runs = [summarise(config, label, found, statistics.get(label)) for label, found in trained.items()]
        verdict = worst(one["verdict"] for one in runs)
        summary = runs[0] if len(runs) == 1 else {"schema_version": 1, "runs": runs, "verdict": verdict}
        _write(folder, config, trained, statistics, data, summary, {"device": device, "dtype": kind})
    shutil.rmtree(partial, ignore_errors=True)
    return Run(path, trained, verdict, {**summary, "folder": str(path)})


def _statistics(config: Config, trained: Mapping[str, Trained]) -> dict[str, Statistic]:
    if config.verdict.statistic is None:
        return {}
    values = samples(config).values
    return {label: statistic(config.verdict, label, found, values) for label, found in trained.items()}


def _write(
    folder: Path,
    config: Config,
    trained: Mapping[str, Trained],
    statistics: Mapping[str, Statistic],
    data: Samples | None,
    summary: Mapping[str, Any],
    where: Mapping[str, str],
) -> None:
    from safetensors.numpy import save_file

    from fembridge.output.figures import save
    from fembridge.output.report import write_report

    (folder / "config.toml").write_text(dump(config), encoding="utf-8")
    write_json(folder / "env.json", {**environment(), **where, "seeds": list(seeds(config))})
    lines = "".join(f"{strict_json(line)}\n" for line in metrics(config, trained))
    (folder / "metrics.jsonl").write_text(lines, encoding="utf-8")
    with (folder / "arrays.npz").open("wb") as stream:
        np.savez(stream, **arrays(trained, statistics))
    weights = {
        f"{label}.{seed}.{name}": value
        for label, found in trained.items()
        for seed, tensors in zip(seeds(config), found.weights, strict=True)
        for name, value in tensors.items()
    }
    save_file(weights, folder / "weights.safetensors")
    for name, chart in charts(config, trained, data).items():
        save(chart, folder / "figures", name)
    write_json(folder / "verdict.json", summary)
    write_report(folder)
