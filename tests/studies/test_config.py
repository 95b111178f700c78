from __future__ import annotations

import copy
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fembridge.problem import sample
from fembridge.studies.config import config_hash, dump, has_exact_theory, load, parse, problem, samples
from fembridge.studies.targets import Digits

EXPERIMENTS = sorted((Path(__file__).parents[2] / "experiments").glob("*.toml"))

SMALL: dict[str, Any] = {
    "problem": {"target": {"kind": "sines", "frequencies": [1, 2], "amplitudes": [1, 0.5]}},
    "network": {"activation": "hat", "layers": [1, 8, 1]},
}
COMPLETE = """
seed = 3
[problem]
domain = [[0.0, 1.0]]
target = { kind = "sines", frequencies = [1, 2, 4, 8, 16], amplitudes = [1, 1, 1, 1, 1] }
loss = "mass"
samples = 256
[network]
activation = { knots = [0, 1, 2.5], coefficients = [1], degree = 1 }
layers = [1, 64, 1]
init = "grid"
weight_scale = 1.0
trained = "output"
[optimizer]
name = "heavy-ball"
learning_rate = "auto"
momentum = 0.8
[training]
steps = 1000
record = 40
repeats = 1
[verdict]
tolerance = 1e-6
"""


def changed(key: str, value: Any) -> dict[str, Any]:
    """SMALL with one key, written a.b.c, set."""
    table = copy.deepcopy(SMALL)
    *parents, last = key.split(".")
    inner = table
    for parent in parents:
        inner = inner.setdefault(parent, {})
    inner[last] = value
    return table


def test_a_complete_run_file(tmp_path: Path) -> None:
    (tmp_path / "complete.toml").write_text(COMPLETE)
    config = load(tmp_path / "complete.toml")
    assert config.seed == 3
    assert config.network.layers == (1, 64, 1)
    assert config.optimizer.momentum == 0.8
    stated = problem(config)
    assert (stated.frequencies, stated.domain, stated.loss, stated.samples) == (
        (1, 2, 4, 8, 16),
        (0.0, 1.0),
        "mass",
        256,
    )


def test_what_is_left_out_has_a_default() -> None:
    config = parse(SMALL)
    assert (config.seed, config.problem.samples, config.training.steps, config.verdict.tolerance) == (
        0,
        256,
        1000,
        1e-6,
    )
    assert config.optimizer.momentum is None
    assert parse(changed("optimizer.name", "nesterov")).optimizer.momentum == 0.9
    sawtooth = parse(changed("problem.target", {"kind": "sawtooth"}))
    assert problem(sawtooth).frequencies == (1, 2, 4, 8, 16)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", 1),
        ("problem.target", {"kind": "sawtooth", "periods": 2}),
        ("problem.target", {"kind": "terrain", "row": 3, "frequencies": [1, 7]}),
        ("problem.domain", [[-1, 2]]),
        ("problem.samples", "exact"),
        ("network.activation", ["hat", "relu", {"knots": [0, 1, 2], "coefficients": [1], "degree": 1}]),
        ("network.weight_scale", 0.5),
        ("network.weight_scale", {"hat": 0.5}),
        ("network.init", "he"),
        ("optimizer.name", "heavy-ball"),
        ("optimizer.learning_rate", 0.25),
        ("training.repeats", 3),
        ("verdict.tolerance", 1e-3),
        ("verdict", {"statistic": "psnr", "within": [20.0, float("inf")]}),
        ("training.dtype", "float32"),
        ("theory", {"drift_limit": 0.5}),
    ],
)
def test_dumped_it_loads_as_the_same_configuration_with_a_hash_of_its_own(key: str, value: Any, tmp_path: Path) -> None:
    config = parse(changed(key, value))
    (tmp_path / "config.toml").write_text(dump(config))
    again = load(tmp_path / "config.toml")
    assert again == config
    assert dump(again) == dump(config)
    assert config_hash(again) == config_hash(config)
    assert config_hash(config) != config_hash(parse(SMALL))


def test_the_hash_is_stable() -> None:
    """Over processes, the order of keys, and defaults written or left out: older results keep their names."""
    assert config_hash(parse(SMALL)) == "08d26027d6a872eb"
    assert config_hash(parse(dict(reversed(SMALL.items())))) == config_hash(parse(SMALL))
    assert config_hash(parse(changed("training.steps", 1000))) == config_hash(parse(SMALL))
    assert config_hash(parse(changed("verdict.tolerance", 1.0))) == config_hash(parse(changed("verdict.tolerance", 1)))


def test_a_list_of_one_activation_is_that_activation() -> None:
    assert parse(changed("network.activation", ["hat"])) == parse(SMALL)
    hats = {"knots": (0.0, 1.0, 2.0), "coefficients": (1.0,), "degree": 1}
    wide = {"knots": (0.0, 2.0, 4.0), "coefficients": (1.0,), "degree": 1}
    listed = parse(changed("network.activation", [hats, "relu", wide])).network
    assert listed.activations == {"spline-1": hats, "relu": "relu", "spline-2": wide}


def test_a_target_file_is_found_from_the_run_file_and_hashed_by_its_contents(tmp_path: Path) -> None:
    row = np.sin(np.linspace(0, 2, 50))
    table = changed("problem.target", {"kind": "file", "path": "data/row.npy", "frequencies": [1]})
    (tmp_path / "data").mkdir()
    np.save(tmp_path / "data/row.npy", row)
    config = parse(table, folder=tmp_path)
    x, _ = sample(problem(config))
    np.testing.assert_allclose(
        problem(config).target.values(x), np.interp(x, np.linspace(0, 1, 50), row), rtol=0, atol=1e-15
    )

    (tmp_path / "moved/data").mkdir(parents=True)
    np.save(tmp_path / "moved/data/row.npy", row)
    assert config_hash(parse(table, folder=tmp_path / "moved")) == config_hash(config)
    np.save(tmp_path / "moved/data/row.npy", row + 1)
    assert config_hash(parse(table, folder=tmp_path / "moved")) != config_hash(config)
    assert parse(tomllib.loads(dump(config)), folder="/") == config  # the path is absolute


LAYERS = "network.layers: expected [inputs, n, …, outputs], positive whole numbers, at least three, got "
FREQUENCIES = (
    "problem.target.frequencies: expected a list of positive whole numbers, or of wave vectors such as [[1, 0], "
    "[2, 3]], got "
)
BAD: list[tuple[str, Any, str]] = [
    (
        "sede",
        1,
        "sede: unknown key: expected one of seed, problem, network, optimizer, training, theory, verdict, quick",
    ),
    ("seed", -1, "seed: expected a whole number from 0 to 2³² − 1, got -1"),
    ("seed", True, "seed: expected a whole number from 0 to 2³² − 1, got true"),
    ("problem", 3, "problem: expected a table [problem], got 3"),
    ("problem.domain", [[1, 0]], "problem.domain: expected finite ends a < b, got [1, 0]"),
    ("problem.domain", [[0.5, 0.5]], "problem.domain: expected finite ends a < b, got [0.5, 0.5]"),
    ("problem.domain", [0, 1], "problem.domain: expected one to three intervals [[a, b], …], got [0, 1]"),
    ("problem.domain", [], "problem.domain: expected one to three intervals [[a, b], …], got []"),
    (
        "problem.domain",
        [[0, 1]] * 4,
        "problem.domain: expected one to three intervals [[a, b], …], got [[0, 1], [0, 1]",
    ),
    ("problem.domain", [[0, 1], [0, 1]], "problem.target.frequencies: expected wave vectors of 2 whole numbers, got 1"),
    (
        "problem.domain",
        [[0, float("inf")]],
        "problem.domain: expected one to three intervals [[a, b], …], got [[0, Inf",
    ),
    ("problem.loss", "l2", 'problem.loss: expected "mass", "stiffness" or "h1", got "l2"'),
    ("problem.loss", "h1", 'problem.samples: loss "h1" compares derivatives'),
    (
        "problem.samples",
        1,
        'problem.samples: expected a whole number of at least 2, one for each dimension, or "exact", got 1',
    ),
    (
        "problem.samples",
        "all",
        'problem.samples: expected a whole number of at least 2, one for each dimension, or "exact", got "a',
    ),
    ("problem.samples", 4, "problem.frequencies: 2 is at or above the sampling limit 4/2"),
    ("problem.target", {"kind": "expression", "text": "x"}, 'problem.target: expected a table with kind = "sines", '),
    ("problem.target", {}, 'problem.target: expected a table with kind = "sines", '),
    (
        "problem.target",
        {"kind": "file", "path": "no.csv"},
        'problem.target.path: expected an existing file, got "no.csv"',
    ),
    ("problem.target", {"kind": "terrain", "row": 400}, "problem.target.row: expected a row from 0 to 343, got 400"),
    ("problem.target", {"kind": "terrain", "rows": 4}, "problem.target.rows: unknown key: expected one of kind, row, "),
    (
        "problem.target.frequencies",
        [1, 1],
        "problem.target.frequencies: expected distinct ones other than 0, got [1, 1]",
    ),
    ("problem.target.frequencies", [1, 10**400], "problem.frequencies: expected distinct positive whole numbers up to"),
    ("problem.target", {"kind": "sawtooth", "periods": 10**20}, "problem.target.periods: expected distinct positive"),
    ("problem.samples", 10**20, 'problem.samples: expected "exact" or a whole number from 2 to 2³¹, got 1'),
    ("problem.domain", [[0, 1e101]], "problem.domain: expected ends of size at most 1e100"),
    (
        "problem.target.amplitudes",
        [1, 1e101],
        "problem.target.amplitudes: expected finite numbers of size at most 1e100, got 1e+101 at entry 1",
    ),
    ("network.layers", [1, 10**20, 1], LAYERS + "[1, 100000000000000000000, 1]"),
    (
        "problem.target.frequencies",
        [1, 0.5],
        FREQUENCIES + "[1, 0.5]",
    ),
    ("problem.target.frequencies", [], FREQUENCIES + "[]"),
    (
        "problem.target.frequencies",
        [1],
        "problem.target: expected one amplitude for each frequency, got 1 frequencies and 2 amp",
    ),
    (
        "problem.target.amplitudes",
        [1, float("nan")],
        "problem.target.amplitudes: expected one finite number for each frequency, ",
    ),
    ("network.layers", [1, 64], LAYERS + "[1, 64]"),
    (
        "network.layers",
        [2, 64, 1],
        'network.layers: expected 1 as the first for target.kind = "sines" of 1 inputs and 1',
    ),
    (
        "network.layers",
        [1, 64, 2],
        'network.layers: expected 1 as the last for target.kind = "sines" of 1 inputs and 1 ',
    ),
    (
        "network.layers",
        [1, 64, 64, 1],
        'network.init: expected "he", "glorot", "gaussian" or "uniform" ("grid" is for [',
    ),
    ("network.layers", [1, 0, 1], LAYERS + "[1, 0, 1]"),
    ("network.layers", [True, 8, 1], LAYERS + "[true, 8, 1]"),
    ("network.layers", "1, 8, 1", LAYERS + '"1, 8, 1"'),
    (
        "network.activation",
        "celu",
        "network.activation: expected one of relu, relu2, leaky-relu, step, hat, bspline0, b",
    ),
    ("network.activation", "tanh", 'network.init: expected "he", "glorot", "gaussian" or "uniform" ("grid" is for ['),
    (
        "network.activation",
        3,
        "network.activation: expected a name, a table { knots, coefficients, degree }, or a list of these, got 3",
    ),
    ("network.activation", [], "network.activation: expected a name, "),
    ("network.activation", ["hat", "hat"], "network.activation: expected each activation once, got one of them twice"),
    (
        "network.activation",
        {"knots": [0, 1, 1], "coefficients": [1], "degree": 1},
        "network.activation: expected at least two finite, strict",
    ),
    (
        "network.activation",
        {"knots": [0, 1, 2], "coefs": [1], "degree": 1},
        "network.activation.coefs: unknown key: expected one of knots, coe",
    ),
    ("network.init", "zeros", 'network.init: expected "grid", "he", "glorot", "gaussian" or "uniform", got "zeros"'),
    (
        "network.weight_scale",
        0,
        "network.weight_scale: expected a positive number, or a table of one for each activation, ",
    ),
    ("network.weight_scale", {"relu": 2}, "network.weight_scale: expected an entry for each of hat, got relu"),
    (
        "verdict",
        {"statistic": "psnr", "within": {"hat": [0, 1], "relu": [0, 1]}},
        "verdict.within: expected an entry for each of hat, got hat, relu",
    ),
    (
        "network.trained",
        "all",
        'network.init: expected "he", "glorot", "gaussian" or "uniform" ("grid" is for [1, n, 1]',
    ),
    (
        "network.trained",
        "most",
        'network.trained: expected "output", "all", or a list of globs such as ["0.*", "*.bias"]',
    ),
    (
        "network.trained",
        [],
        'network.trained: expected "output", "all", or a list of globs such as ["0.*", "*.bias"], go',
    ),
    (
        "network.trained",
        ["4.*"],
        "network.trained: expected globs that match one of 0.weight, 0.bias, 2.weight, 2.bias, ",
    ),
    ("network.output_scale", -1, "network.output_scale: expected a positive number, got -1"),
    ("network.parametrisation", "mup", 'network.parametrisation: expected "standard" or "ntk", got "mup"'),
    ("optimizer.name", "lion", 'optimizer.name: expected "gd", "heavy-ball", "nesterov", "sgd" or "adam", got "lion"'),
    (
        "optimizer.name",
        "adam",
        'optimizer.learning_rate: expected a positive number with optimizer.name = "adam", got "',
    ),
    (
        "optimizer.name",
        "sgd",
        'optimizer.batch: expected a positive whole number with optimizer.name = "sgd", got nothi',
    ),
    ("optimizer.batch", 32, 'optimizer.batch: expected none with optimizer.name = "gd", got 32'),
    ("optimizer.batches", 32, "optimizer.batches: unknown key: expected one of name, learning_rate, momentum, batch"),
    (
        "optimizer",
        {"name": "adam", "learning_rate": 0.1, "momentum": 0.5},
        "optimizer.momentum: expected none with opt",
    ),
    ("training.dtype", "half", 'training.dtype: expected "float64" or "float32", got "half"'),
    ("theory.refresh", [10, 5], "theory.refresh: expected a list of ascending positive whole numbers, got [10, 5]"),
    ("theory.refresh", [10], "theory.refresh: expected none where theory is exact"),
    ("theory.drift_limit", 0, "theory.drift_limit: expected a positive number, got 0"),
    ("verdict.statistic", "loss", 'verdict.statistic: expected "exponent", "accuracy", "dip" or "psnr", got "loss"'),
    (
        "verdict.statistic",
        "psnr",
        "verdict.within: expected two numbers [low, high] with verdict.statistic, and none wi",
    ),
    (
        "verdict.within",
        [0, 1],
        "verdict.within: expected two numbers [low, high] with verdict.statistic, and none witho",
    ),
    ("verdict", {"statistic": "psnr", "within": [2, 1]}, "verdict.within: expected two numbers low < high, got [2, 1]"),
    (
        "verdict",
        {"statistic": "psnr", "within": [float("nan"), 1]},
        "verdict.within: expected two numbers low < high, ",
    ),
    (
        "verdict",
        {"statistic": "dip", "within": [0, 1]},
        'verdict.statistic: expected target.kind = "digits" for "dip", ',
    ),
    (
        "verdict.learned",
        1,
        "verdict.learned: expected a number between 0 and 1: the part of its start at which an error",
    ),
    ("quick", 3, "quick: expected a table [quick], got 3"),
    (
        "quick",
        {"training": {"step": 3}},
        "with [quick]: training.step: unknown key: expected one of steps, record, repe",
    ),
    (
        "verdict",
        {"statistic": "psnr", "within": [0, 1], "tolerance": 1},
        'verdict.tolerance: expected none with verdict.statistic = "psnr"',
    ),
    ("optimizer.momentum", 0.5, 'optimizer.momentum: expected none with optimizer.name = "gd", got 0.5'),
    (
        "optimizer",
        {"name": "nesterov", "momentum": 1},
        "optimizer.momentum: expected a number between 0 and 1, both excluded, got 1",
    ),
    ("optimizer.learning_rate", "fast", 'optimizer.learning_rate: expected "auto" or a positive number, got "fast"'),
    ("optimizer.learning_rate", 0, 'optimizer.learning_rate: expected "auto" or a positive number, got 0'),
    ("optimizer.learning_rate", float("nan"), 'optimizer.learning_rate: expected "auto" or a positive number, got NaN'),
    ("training.steps", 0, "training.steps: expected a whole number from 1 to 1e9, got 0"),
    ("training.steps", 10.0, "training.steps: expected a whole number from 1 to 1e9, got 10.0"),
    ("training.record", 0, "training.record: expected a whole number from 1 to 1e6, got 0"),
    ("training.record", 10**9, "training.record: expected a whole number from 1 to 1e6, got 1000000000"),
    ("training.repeats", "3", 'training.repeats: expected a whole number from 1 to 1e9, got "3"'),
    ("verdict.tolerance", 0, "verdict.tolerance: expected a positive number, got 0"),
    ("verdict.tolerance", list(range(100)), "verdict.tolerance: expected a positive number, got [0, 1, 2, 3, 4"),
]


@pytest.mark.parametrize(("key", "value", "message"), BAD, ids=[f"{key}={str(value)[:30]}" for key, value, _ in BAD])
def test_a_bad_value_is_one_line_that_names_the_key(key: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse(changed(key, value), "bad.toml")
    text = str(caught.value)
    assert text.startswith(f"bad.toml: {message}")
    assert "\n" not in text
    assert len(text) < 250


@pytest.mark.parametrize("key", ["problem", "network", "problem.target", "network.layers", "network.activation"])
def test_a_missing_key_is_named(key: str) -> None:
    table = copy.deepcopy(SMALL)
    *parents, last = key.split(".")
    inner = table
    for parent in parents:
        inner = inner[parent]
    del inner[last]
    with pytest.raises(ValueError, match=rf"run file: {key}: expected .*, got nothing"):
        parse(table)


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "marked.toml").write_text(COMPLETE, encoding="utf-8-sig")
    assert load(tmp_path / "marked.toml").seed == 3


def test_a_target_file_with_a_header_is_named_under_its_key(tmp_path: Path) -> None:
    (tmp_path / "row.csv").write_text("height\n1\n2\n")
    table = changed("problem.target", {"kind": "file", "path": "row.csv"})
    with pytest.raises(ValueError, match=r"^run file: problem\.target: /.*/row\.csv: expected numbers .*'height'"):
        parse(table, folder=tmp_path)


@pytest.mark.parametrize(
    "contents",
    [
        *(b"seed = ", b"seed = 1\nseed = 2", b"\xff\xfe", b"[problem"),
        *(b"x = " + b"[" * 10_000, b"x = " + b"[" * 500 + b"]" * 500, b"seed = " + b"1" * 5000),
    ],
    ids=lambda contents: contents[:8],
)
def test_a_file_that_is_no_toml(contents: bytes, tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_bytes(contents)
    with pytest.raises(ValueError, match=r"broken.toml: expected a TOML file: "):
        load(tmp_path / "broken.toml")


def perceptron(**keys: Any) -> dict[str, Any]:
    """A network of three layers that is trained in full in the plane, with some tables changed."""
    table: dict[str, Any] = {
        "problem": {
            "domain": [[0, 1], [-1, 1]],
            "target": {"kind": "sines", "frequencies": [[1, 0], [1, -2]], "amplitudes": [1, 1], "phases": "random"},
            "samples": [8, 16],
        },
        "network": {"activation": "tanh", "layers": [2, 8, 8, 1], "init": "glorot", "trained": "all"},
        "verdict": {"tolerance": 0.1},
    }
    for name, value in keys.items():
        old = table.get(name)
        merge = isinstance(value, dict) and isinstance(old, dict) and value.pop("merge", True)
        table[name] = {**old, **value} if merge and old is not None else value
    return table


def test_a_network_in_the_plane() -> None:
    config = parse(perceptron())
    assert not has_exact_theory(config)
    data = samples(config)
    assert data.points.shape == (128, 2) and data.frequencies == ((1, 0), (1, -2))
    assert np.abs(data.read(data.values)) == pytest.approx([1, 1], abs=1e-12)  # whatever the phases
    other = samples(parse(perceptron(seed=1)))
    assert np.abs(other.values - data.values).max() > 0.1  # phases are the seed's
    assert np.array_equal(samples(parse(perceptron())).values, data.values)


@pytest.mark.parametrize(
    ("tables", "shape"),
    [
        ({"problem": {"target": {"kind": "terrain", "step": 40}, "samples": 256, "domain": [[0, 1], [0, 1]]}}, (99, 2)),
        ({"problem": {"target": {"kind": "circle", "frequency": 3}, "merge": False}}, (256, 2)),
        (
            {
                "problem": {
                    "target": {"kind": "curve", "petals": 3, "frequencies": [1, 9], "amplitudes": [1, 1]},
                    "samples": 64,
                    "merge": False,
                }
            },
            (64, 2),
        ),
        (
            {
                "problem": {
                    "target": {"kind": "sines", "frequencies": [1], "amplitudes": [1], "phases": [0.5]},
                    "merge": 0,
                },
                "network": {"layers": [1, 8, 1], "trained": ["0.*", "2.bias"]},
            },
            (256, 1),
        ),
        (
            {
                "problem": {
                    "target": {"kind": "sines", "frequencies": [[1, 0, 2]], "amplitudes": [1]},
                    "domain": [[0, 1]] * 3,
                    "samples": 6,
                },
                "network": {"layers": [3, 8, 1]},
            },
            (216, 3),
        ),
    ],
    ids=["terrain", "circle", "curve", "phases", "space"],
)
def test_the_samples_of_every_target(tables: dict[str, Any], shape: tuple[int, int], tmp_path: Path) -> None:
    config = parse(perceptron(**tables))
    assert samples(config).points.shape == shape
    (tmp_path / "config.toml").write_text(dump(config))
    assert load(tmp_path / "config.toml") == config


def test_real_pictures_and_digits(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    picture = {"problem": {"target": {"kind": "photograph", "name": "flower", "step": 40}, "merge": False}}
    assert samples(parse(perceptron(**picture))).points.shape == (176, 2)
    target = {"kind": "digits", "classes": [3, 8], "count": 50, "noise_frequency": 0.5, "noise_amplitude": 0.25}
    table = perceptron(
        problem={"target": target, "merge": False},
        network={"layers": [64, 8, 1]},
        optimizer={"name": "adam", "learning_rate": 0.1, "batch": 10},
        verdict={"statistic": "dip", "within": [float("-inf"), 0.9], "merge": False},
    )
    config = parse(table)
    data = samples(config)
    noise = 0.25 * np.sin(np.pi * np.linalg.norm(data.points, axis=1))
    np.testing.assert_allclose(np.abs(data.values - noise), 1, atol=1e-15)
    assert isinstance(config.problem.target, Digits)
    assert set(config.problem.target.validation(config.seed).values) == {-1.0, 1.0}  # no noise there
    (tmp_path / "config.toml").write_text(dump(config))
    assert load(tmp_path / "config.toml") == config


IMPOSSIBLE: list[tuple[dict[str, Any], str]] = [
    (
        {"network": {"layers": [1, 8, 1]}},
        'network.layers: expected 2 as the first for target.kind = "sines" of 2 inputs',
    ),
    ({"network": {"init": "grid"}}, 'network.init: expected "he", "glorot", "gaussian" or "uniform" ("grid" is for [1'),
    ({"problem": {"samples": "exact"}}, "problem.samples: expected a whole number where more than the output weights"),
    ({"problem": {"loss": "h1"}}, 'problem.loss: expected "mass" with samples that are counted, got "h1"'),
    (
        {"problem": {"samples": [8, 8, 8]}},
        "problem.samples: expected a whole number, or one for each of 2 dimensions, ",
    ),
    (
        {"problem": {"samples": [8, 4]}},
        "problem.target.frequencies: [1, -2] is at or above the sampling limit of [8, 4]",
    ),
    ({"problem": {"samples": 10**5}}, "problem.samples: expected at most 1e8 points in all, got 1e+10"),
    ({"problem": {"domain": [[0, 1], [1, 0]]}}, "problem.domain: expected finite ends a < b, got [1, 0]"),
    (
        {"problem": {"target": {"kind": "sawtooth"}}},
        'problem.domain: expected one interval [[a, b]] with target.kind = "sawtooth", got ',
    ),
    ({"problem": {"target": {"kind": "circle", "frequency": 1}}}, "problem.domain: expected none with target.kind = "),
    (
        {"problem": {"target": {"kind": "terrain"}}},
        "problem.domain: expected [[0, 1], [0, 1]] for the whole terrain, got [[0.0, 1.0], [-1.0, 1.0]]",
    ),
    (
        {"problem": {"target": {"kind": "photograph"}, "samples": 100, "merge": False}},
        'problem.samples: expected none with target.kind = "photograph", got 100',
    ),
    (
        {
            "problem": {"target": {"kind": "digits", "noise_frequency": 1.0}, "merge": False},
            "network": {"layers": [64, 8, 10]},
        },
        "problem.target.noise_frequency: expected none with more than two classes, got 1.0",
    ),
    (
        {"problem": {"target": {"kind": "digits", "classes": [3, 3]}, "merge": False}},
        "problem.target.classes: expected two or more different digits from 0 to 9, got [3, 3]",
    ),
    (
        {"optimizer": {"name": "adam", "learning_rate": 0.1}},
        'verdict.statistic: expected one with optimizer.name = "adam"',
    ),
    (
        {"optimizer": {"name": "nesterov"}, "theory": {"refresh": [5]}},
        "theory.refresh: expected none with optimizer.name",
    ),
    ({"theory": {"refresh": [5000]}}, "theory.refresh: expected steps up to 1000, got 5000"),
    (
        {"verdict": {"merge": False}},
        "verdict: expected a tolerance or a statistic where not the output weights alone a",
    ),
    (
        {
            "problem": {"target": {"kind": "circle", "frequency": 1}, "merge": False},
            "verdict": {"statistic": "exponent", "within": [1, 2], "merge": False},
        },
        'verdict.statistic: expected a target of two frequencies or more for "exponent"',
    ),
]


@pytest.mark.parametrize(("tables", "message"), IMPOSSIBLE, ids=[message[:60] for _, message in IMPOSSIBLE])
def test_an_impossible_combination_is_one_line_that_names_the_key(tables: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse(perceptron(**copy.deepcopy(tables)), "bad.toml")
    assert str(caught.value).startswith(f"bad.toml: {message}")
    assert "\n" not in str(caught.value)


def test_quick_is_what_the_table_says_and_full_the_file_as_it_stands() -> None:
    table = {**SMALL, "quick": {"training": {"steps": 7}, "problem": {"target": {"amplitudes": [1, 2]}}}}
    assert parse(table) == parse(SMALL)
    assert config_hash(parse(table)) == config_hash(parse(SMALL))
    quick = parse(table, scale="quick")
    assert quick.training.steps == 7
    assert quick.problem.target.model_dump() == parse(SMALL).problem.target.model_dump() | {"amplitudes": (1, 2)}
    assert "quick" not in dump(quick)
    with pytest.raises(
        ValueError, match=r"^run file: quick: expected a table \[quick\] of what is smaller, got nothing"
    ):
        parse(SMALL, scale="quick")


def test_keys_that_came_later_leave_the_hash_of_older_files_alone() -> None:
    later: list[tuple[str, Any, Any]] = [
        *(("network.parametrisation", "standard", None), ("network.output_scale", 1.0, 2.0)),
        *(("training.dtype", "float64", "float32"), ("theory.drift_limit", 0.1, 0.2), ("verdict.learned", 0.1, 0.2)),
    ]
    table = changed("network.init", "he")
    for key, default, other in later:
        parent, name = key.split(".")
        with_default = {**table, parent: {**table.get(parent, {}), name: default}}
        assert config_hash(parse(with_default)) == config_hash(parse(table)), key
        if other is not None:
            changed_one = {**table, parent: {**table.get(parent, {}), name: other}}
            assert config_hash(parse(changed_one)) != config_hash(parse(table)), key


@pytest.mark.parametrize("scale", ["quick", "full"])
@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_the_experiments_load(path: Path, scale: Any) -> None:
    if scale == "full" or "[quick" in path.read_text():
        load(path, scale)


def test_there_are_experiments() -> None:
    assert len(EXPERIMENTS) >= 18
