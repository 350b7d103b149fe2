"""The field's terms lead to the code: of the modules whose opening docstring has a term, the first
by path is the one that does it, so that a newcomer's search ends where it should."""

import ast
import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "winnable"
HOME = {
    "point-in-time": "data/features/point_in_time.py",
    "censoring": "data/features/training_rows.py",
    "competing risks": "learning/model/time_to_win.py",
    "stacking": "learning/model/blend.py",
    "blend": "learning/model/blend.py",
    "holdout": "learning/training/metrics.py",
    "out-of-fold": "learning/model/blend.py",
    "calibration": "learning/model/calibration.py",
    "baseline": "learning/registry/champion_challenger.py",
    "target leakage": "data/leakage/detect.py",
    "drift": "learning/monitoring/drift.py",
    "monitoring": "learning/monitoring/drift.py",
    "confidence interval": "core/statistics.py",
    "middleware": "service/http/middleware.py",
    "ingestion": "data/ingestion/crm.py",
    "data quality": "learning/readiness/data_quality.py",
    "champion/challenger": "learning/registry/champion_challenger.py",
}


def opening(path: Path) -> str:
    """A module's docstring in lower case, on one line."""
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    return re.sub(r"\s+", " ", text).lower()


@pytest.mark.parametrize("term", HOME)
def test_a_term_leads_to_the_module_that_does_it(term: str) -> None:
    pattern = re.compile(rf"(?<!\w){re.escape(term)}")
    found = [path for path in sorted(SOURCE.rglob("*.py")) if pattern.search(opening(path))]
    assert found[0].relative_to(SOURCE).as_posix() == HOME[term]
