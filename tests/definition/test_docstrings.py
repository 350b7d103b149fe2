"""The examples in the docstrings of the public errors and of `Definition` run as printed."""

import doctest
from pathlib import Path

import pytest

from winnable import errors
from winnable.definition import schema


@pytest.mark.parametrize("module", [errors, schema], ids=lambda module: module.__name__)
def test_the_examples_run(module: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(module)  # type: ignore[arg-type]
    assert result.attempted > 0
    assert result.failed == 0
