from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fembridge.bridge.charts import Chart, Pair
from fembridge.output.cards import sheet, spoken, write_page, write_sheet
from fembridge.output.figures import save


def a_chart(title: str = "κ", **changes: Any) -> Chart:
    x = np.array([0.0, 1.0, 10.0])
    y = np.array([1.0, 0.1, np.nan])
    return Chart(title, "step", "error", (Pair("a", x, 2 * y, y), Pair("b $ c", x, None, y)), **changes)


def a_card(**changes: Any) -> dict[str, Any]:
    section = {
        "name": "all",
        "title": "What?",
        "theory": "Exact.",
        "caption": "A < B",
        "facts": {"rank": 2, "steps": float("inf")},
        "checks": {"symbol": {"difference": 1e-15, "tolerance": 1e-8}},
        "figures": {"one": {}},
    }
    card = {"activation": "nets:<script>", "kind": "module", "fembridge": "0", "seed": 0, "scale": "quick"}
    said = {"verdict": "pass", "headline": "κ < 3", "agreement": "It agrees."}
    table = [{"what": "exponent", "predicted": None, "measured": "−2.0 (−2.1 to −1.9)"}]
    return {**card, **said, "table": table, "sections": [section], **changes}


def test_the_page_is_escaped_and_needs_nothing_else(tmp_path: Path) -> None:
    save(a_chart(), tmp_path / "figures", "one")
    page = write_page(tmp_path, a_card(), {"python": "3"}).read_text(encoding="utf-8")
    assert "<script" not in page and "nets:&lt;script&gt;" in page and "κ &lt; 3" in page
    assert page.count("<svg") == 1 and "<link" not in page and "src=" not in page
    assert "∞" in page and "1×10⁻⁸" in page


def test_a_missing_figure_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected an SVG figure"):
        write_page(tmp_path, a_card(), {})


def test_a_sheet_is_one_page_with_all_charts(tmp_path: Path) -> None:
    charts = [a_chart(f"chart {i}") for i in range(1)]
    found = sheet("hat", "One $ sentence", charts)
    titles = [axes.get_title(loc="left") for axes in found.axes]
    assert titles == [*(f"chart {i}" for i in range(1)), ""]
    file = write_sheet(tmp_path / "card.pdf", "hat", "One", charts)
    assert file.read_bytes().count(b"/Type /Page ") == 1
    assert file.read_bytes() == write_sheet(tmp_path / "again.pdf", "hat", "One", charts).read_bytes()


def test_numbers_on_the_page() -> None:
    assert [spoken(value) for value in (0.0, 3.0, -2.5, 1e-9)] == ["0", "3", "−2.5", "1×10⁻⁹"]
