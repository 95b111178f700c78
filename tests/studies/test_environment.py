from __future__ import annotations

import json
import subprocess
import sys

import fembridge
from fembridge.studies.environment import PACKAGES, environment


def test_the_environment_is_told_without_loading_it() -> None:
    code = (
        "import json, sys; from fembridge.studies.environment import environment;"
        "print(json.dumps([environment(), sorted({'torch', 'numpy', 'skfem'} & set(sys.modules))]))"
    )
    found, loaded = json.loads(subprocess.check_output([sys.executable, "-c", code]))
    assert loaded == []
    assert found["fembridge"] == fembridge.__version__
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert set(found["packages"]) == set(PACKAGES)
    assert "unknown" not in found["packages"].values()
    assert found["threads"] >= 1


def test_threads_are_those_of_torch_where_it_is_loaded() -> None:
    import torch

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert environment()["threads"] == 1
    finally:
        torch.set_num_threads(before)
