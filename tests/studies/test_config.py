from __future__ import annotations

import copy
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fembridge.problem import sample
from fembridge.studies.config import config_hash, dump, load, parse, problem

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
        ("network.init", "he"),
        ("optimizer.name", "heavy-ball"),
        ("optimizer.learning_rate", 0.25),
        ("training.repeats", 3),
        ("verdict.tolerance", 1e-3),
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


BAD: list[tuple[str, Any, str]] = [
    ("sede", 1, "sede: unknown key: expected one of seed, problem, network, optimizer, training, verdict"),
    ("seed", -1, "seed: expected a whole number from 0 to 2³² − 1, got -1"),
    ("seed", True, "seed: expected a whole number from 0 to 2³² − 1, got true"),
    ("problem", 3, "problem: expected a table [problem], got 3"),
    ("problem.domain", [[1, 0]], "problem.domain: expected finite ends a < b, got [1, 0]"),
    ("problem.domain", [[0.5, 0.5]], "problem.domain: expected finite ends a < b, got [0.5, 0.5]"),
    ("problem.domain", [0, 1], "problem.domain: expected one interval [[a, b]], got [0, 1]"),
    ("problem.domain", [[0, 1], [0, 1]], "problem.domain: expected one interval [[a, b]], got [[0, 1], [0, 1]]"),
    ("problem.domain", [[0, float("inf")]], "problem.domain: expected one interval [[a, b]], got [[0, Infinity]]"),
    ("problem.loss", "l2", 'problem.loss: expected "mass", "stiffness" or "h1", got "l2"'),
    ("problem.loss", "h1", 'problem.samples: loss "h1" compares derivatives'),
    ("problem.samples", 1, 'problem.samples: expected a whole number of at least 2, or "exact", got 1'),
    ("problem.samples", "all", 'problem.samples: expected a whole number of at least 2, or "exact", got "all"'),
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
        "problem.frequencies: expected distinct positive whole numbers up to 2³¹, got [1, 1]",
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
    ("network.layers", [1, 10**20, 1], "network.layers: expected [1, n, 1], got [1, 100000000000000000000, 1]"),
    (
        "problem.target.frequencies",
        [1, 0.5],
        "problem.target.frequencies: expected a list of positive whole numbers, got [1, 0.5]",
    ),
    ("problem.target.frequencies", [], "problem.target.frequencies: expected a list of positive whole numbers, got []"),
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
    ("network.layers", [1, 64], "network.layers: expected [1, n, 1], got [1, 64]"),
    ("network.layers", [1, 64, 64, 1], "network.layers: expected [1, n, 1], got [1, 64, 64, 1]"),
    ("network.layers", [2, 64, 1], "network.layers: expected [1, n, 1], got [2, 64, 1]"),
    ("network.layers", [1, 0, 1], "network.layers: expected [1, n, 1], got [1, 0, 1]"),
    ("network.layers", [True, 8, 1], "network.layers: expected [1, n, 1], got [true, 8, 1]"),
    ("network.layers", "1, 8, 1", 'network.layers: expected [1, n, 1], got "1, 8, 1"'),
    ("network.activation", "tanh", "network.activation: expected one of relu, "),
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
    ("network.weight_scale", 0, "network.weight_scale: expected a positive number, got 0"),
    ("network.trained", "all", 'network.trained: expected "output" (the only choice so far), got "all"'),
    ("optimizer.name", "adam", 'optimizer.name: expected "gd", "heavy-ball" or "nesterov", got "adam"'),
    ("optimizer.batch", 32, "optimizer.batch: unknown key: expected one of name, learning_rate, momentum"),
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


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_the_experiments_load(path: Path) -> None:
    problem(load(path))


def test_there_are_experiments() -> None:
    assert len(EXPERIMENTS) >= 3
