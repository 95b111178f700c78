"""One page on any activation: computed, drawn and written as a result folder."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fembridge import __version__
from fembridge.bridge.verdict import judge, worst
from fembridge.output.cards import spoken, write_page, write_sheet
from fembridge.output.figures import save
from fembridge.studies.environment import environment
from fembridge.studies.folders import result_folder, write_json

if TYPE_CHECKING:
    from fembridge.bridge.charts import Chart, Pair
    from fembridge.bridge.sections import Section

Progress = Callable[[Iterable[Any]], Iterable[Any]]
SAME = 3.0  # times as many steps are the same pace
FEW = 10.0  # steps are few, whatever their ratio
BOUNDED = 0.3  # an exponent of κ below is none: κ(256) is less than 1.25 times κ(128)


def write_card(
    spec: str | Mapping[str, Any], out: str | Path, *, scale: Literal["quick", "full"] = "quick", seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Measure the activation that `spec` names beside theory, and write the result folder `out`.

    spec: a name, a table {knots, coefficients, degree}, a .toml or .json file of one, or MODULE:NAME. progress wraps
    the sections. The folder holds card.html, card.pdf (all figures on one page), card.json (what is returned), env.json
    and figures/. What code of others prints goes to stderr.

    Raises ValueError for a spec that names no activation, another scale, a seed that is no whole number from 0 on, and
    `out` that cannot be written. Nothing is left behind then.
    """
    from fembridge.bridge.cards import SIZES, sections
    from fembridge.bridge.subjects import subject

    if scale not in SIZES:
        raise ValueError(f"scale: expected one of {', '.join(SIZES)}, got {scale!r:.40}")
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ValueError(f"seed: expected a whole number from 0 to 2³² − 1, got {seed!r:.40}")
    found = subject(spec)
    with result_folder(out) as folder, redirect_stdout(sys.stderr):
        makers = sections(found, scale, seed)
        every = [make() for make in (progress or iter)(makers)]
        card = {
            "schema_version": 1,
            "fembridge": __version__,
            "activation": found.name,
            "kind": found.kind,
            "scale": scale,
            "seed": seed,
            **_verdict(every),
            "headline": headline(found.name, every),
            "table": _table(every),
            "sections": [_section(one) for one in every],
            "folder": str(out),
        }
        charts = {name: chart for one in every for name, chart in one.charts.items()}
        for name, chart in charts.items():
            save(chart, folder / "figures", name)
        about = {**environment(), "seed": seed, "scale": scale}
        write_json(folder / "env.json", about)
        write_json(folder / "card.json", card)
        write_sheet(folder / "card.pdf", found.name, str(card["headline"]), list(charts.values()))
        write_page(folder, card, about)
    return card


def headline(name: str, sections: Sequence[Section]) -> str:
    """What the numbers say, in a few sentences."""
    facts = {label: value for one in sections for label, value in one.facts.items()}
    parts = [_condition(facts), _pace(facts)]
    text = f"{name}: {'; '.join(parts)}."
    falls = {
        label.split("weight scale ")[1].split(",")[0]: _fall(value)
        for label, value in facts.items()
        if "all parameters, weight scale" in label and label.endswith("predicted")
    }
    text += f" With PyTorch’s initial weights its tangent kernel falls {falls.pop('1')}"
    return (
        text + "".join(f", and {how} with inner weights {scale} times as large" for scale, how in falls.items()) + "."
    )


def _condition(facts: Mapping[str, float | str]) -> str:
    from fembridge.bridge.sections import COUNTS, GROWTH

    growth = float(facts[GROWTH])
    kappa = float(facts[f"condition number at n = {COUNTS[-1]}, measured"])
    if math.isinf(growth):
        rank = facts.get(f"numerical rank at n = {COUNTS[0]}")
        return f"shifted copies are linearly dependent, {COUNTS[0]} of them span {rank} functions"
    if growth < BOUNDED:
        return f"condition number {kappa:.3g}, however many features there are"
    return f"condition number {spoken(kappa)} at {COUNTS[-1]} features, growing like n^{growth:.1f}"


def _pace(facts: Mapping[str, float | str]) -> str:
    first = {label: value for label, value in facts.items() if "grid features, predicted" in label}
    k = [label.split("k = ")[1].split(",")[0] for label in first]
    steps = [float(value) for value in first.values()]
    never = [one for one, value in zip(k, steps, strict=True) if not math.isfinite(value)]
    if len(never) == len(k):
        return "gradient descent on features of a grid learns none of the frequencies"
    if never:
        return f"features of a grid never learn frequency {', '.join(never)}"
    if max(steps) <= max(FEW, SAME * min(steps)):
        return f"features of a grid learn frequencies {k[0]} to {k[-1]} at the same pace, in {_steps(steps)}"
    ratio = spoken(float(f"{max(steps) / min(steps):.2g}"))
    slowest, fastest = k[steps.index(max(steps))], k[steps.index(min(steps))]
    return f"features of a grid take {ratio} times as many steps for frequency {slowest} as for {fastest}"


def _steps(steps: list[float]) -> str:
    low, high = spoken(min(steps)), spoken(max(steps))
    return f"{high} step{'s' * (high != '1')}" if low == high else f"{low} to {high} steps"


def _fall(exponent: float | str) -> str:
    if isinstance(exponent, str):
        return f"{exponent} of the frequency"
    return "hardly at all" if abs(exponent) < 0.1 else f"like k^{exponent:.1f}".replace("-", "\N{MINUS SIGN}")


def _table(sections: Sequence[Section]) -> list[dict[str, Any]]:
    """The facts that are predicted and measured, in rows."""
    rows: dict[str, dict[str, Any]] = {}
    for one in sections:
        for label, value in one.facts.items():
            what, _, side = label.rpartition(", ")
            if side in ("predicted", "measured"):
                row = rows.setdefault(what, {"what": what, "predicted": None, "measured": None})
                row[side] = value
    return list(rows.values())


def _verdict(sections: Sequence[Section]) -> dict[str, str]:
    checks = [(name, *check) for one in sections for name, check in one.checks.items()]
    verdict = worst(judge(difference, tolerance) for _, difference, tolerance in checks)
    names = ", ".join(name.split(",")[0] for name, _, _ in checks)
    said = "agrees with it to rounding" if verdict == "pass" else "does not agree with it"
    return {"verdict": verdict, "agreement": f"Where theory is exact ({names}), experiment {said}."}


def _section(one: Section) -> dict[str, Any]:
    return {
        "name": one.name,
        "title": one.title,
        "theory": one.theory,
        "caption": one.caption,
        "facts": {
            label: value for label, value in one.facts.items() if not label.endswith((", predicted", ", measured"))
        },
        "checks": {name: {"difference": gap, "tolerance": limit} for name, (gap, limit) in one.checks.items()},
        "figures": {name: _figure(chart) for name, chart in one.charts.items()},
    }


def _figure(chart: Chart) -> dict[str, Any]:
    return {
        "title": chart.title,
        "x": chart.xlabel,
        "y": chart.ylabel,
        "curves": [_curve(pair) for pair in chart.pairs],
    }


def _curve(pair: Pair) -> dict[str, Any]:
    return {
        "label": pair.label,
        **{side: getattr(pair, side) for side in ("x", "predicted", "measured", "low", "high")},
    }
