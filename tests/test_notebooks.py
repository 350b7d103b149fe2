"""The notebooks run from the first cell to the last, and lie in the repository as they ran,
small."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LARGEST = 200_000


def code_of(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


@pytest.mark.timeout(3600)  # the year of retraining takes some minutes of a processor
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    book = nbformat.read(path, as_version=4)
    NotebookClient(
        book, timeout=None, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    nbformat.validate(book)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_kept_of_it_ran_in_order_and_is_small(path: Path) -> None:
    cells = code_of(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not [
        output for cell in cells for output in cell.outputs if output.output_type == "error"
    ]
    assert path.stat().st_size < LARGEST
    assert not re.search(r"/(tmp|home|work|Users)/", path.read_text())


def test_they_define_nothing_that_others_could_use() -> None:
    for path in NOTEBOOKS:
        for cell in code_of(path):
            assert not re.search(r"^\s*(def|class) ", cell.source, flags=re.MULTILINE), (
                f"{path.name}: {cell.source}"
            )


def test_there_are_as_many_as_the_readme_names() -> None:
    told = set(re.findall(r"notebooks/([\w]+\.ipynb)", (FOLDER.parent / "README.md").read_text()))
    assert told == {path.name for path in NOTEBOOKS}
