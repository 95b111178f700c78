"""The layers of the package: imports run down only, and heavy libraries stay where they belong."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fembridge

PACKAGE = Path(fembridge.__file__).parent
RANK = {"memory": 0, "problem": 0, "samples": 1, "datasets": 2, "theory": 3, "networks": 3, "bridge": 4, "output": 5}
RANK |= {"claims": 6, "arguments": 6, "studies": 6, "cli": 7}
HOME = {"skfem": {"theory", "bridge"}, "torch": {"networks", "bridge"}, "matplotlib": {"output", "problem", "datasets"}}
HOME |= {"sklearn": {"datasets"}, "mlxtend": {"datasets"}}
SAMPLE_DATA = {("matplotlib", room) for room in ("problem", "datasets")}  # read when asked for, never loaded to draw


def imports(source: str) -> Iterator[tuple[str, bool]]:
    """Every module that a source imports, wherever in it, and whether it does so when it is itself imported."""
    tree = ast.parse(source)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    lazy = {id(node) for function in functions for node in ast.walk(function)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) not in lazy) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from ((f"{node.module}.{alias.name}", id(node) not in lazy) for alias in node.names)


def violations(room: str, source: str) -> list[str]:
    """What a source in a room of the package imports against the layering."""
    found = []
    for module, eager in imports(source):
        top, *rest = module.split(".")
        if top == "fembridge":
            other = (rest or ["__init__"])[0].replace(
                "__main__", "cli"
            )  # the command line and the process around it are one room
            allowed = other in (room, "__version__") or (other in RANK and RANK[other] < RANK[room])
        else:
            allowed = room in HOME.get(top, {room}) and not (eager and (top, room) in SAMPLE_DATA)
        if not allowed:
            found.append(f"{room} imports {module}")
    return found


def test_imports_run_down_only() -> None:
    for path in sorted(PACKAGE.rglob("*.py")):
        room = path.relative_to(PACKAGE).with_suffix("").parts[0].replace("__main__", "cli")
        if room != "__init__":  # the list of public names loads each from its home
            assert not violations(room, path.read_text(encoding="utf-8")), path


def test_a_violation_is_caught() -> None:
    wrong = {
        "theory": ["from fembridge.networks.models import shallow", "import torch.nn", "from fembridge import bridge"],
        "networks": ["import fembridge.theory.rates", "from skfem import Basis"],
        "bridge": ["def draw():\n    from matplotlib.figure import Figure"],
        "output": ["from fembridge.claims import check"],
        "claims": ["import torch", "from fembridge.studies.run import run"],
        "problem": ["from matplotlib import cbook", "from fembridge.theory import splines"],
        "samples": ["from fembridge.datasets import digits", "import torch"],
        "datasets": ["from matplotlib import cbook", "from fembridge.networks import models"],
        "cli": ["def info():\n    import torch"],
    }
    for room, sources in wrong.items():
        for source in sources:
            assert violations(room, source), f"{room}: {source}"
    assert not violations("problem", "def terrain():\n    from matplotlib import cbook")
    assert not violations("cli", "from fembridge import __version__, claims")


def test_heavy_libraries_load_only_where_they_are_used() -> None:
    code = "import sys, fembridge, fembridge.cli; print(*sorted({'torch', 'matplotlib', 'skfem'} & set(sys.modules)))"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True, cwd=PACKAGE.parent)
    assert loaded.split() == []
