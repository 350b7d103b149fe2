"""Plots name columns in whatever script an export has them, and no warning reaches the terminal."""

import io
import re
import warnings
from collections.abc import Iterator

import numpy as np
import pytest
from matplotlib.figure import Figure

from winnable.learning.reporting.plots import write_figure
from winnable.learning.reporting.sections import importance_plot, inline_svg

NAMES = ("来源", "規模", "규모", "🎉 Party", "Köln", "Источник")


@pytest.fixture(autouse=True)
def warnings_are_errors() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def plot() -> Figure:
    figure = importance_plot(NAMES, np.linspace(2, 1, len(NAMES)))
    figure.axes[0].set_title("来源")
    figure.axes[0].text(1, 1, "來")
    return figure


@pytest.mark.parametrize("form", ["png", "svg", "pdf"])
def test_every_script_is_drawn_without_a_warning(form: str) -> None:
    written = io.BytesIO()
    write_figure(plot(), written, format=form)
    assert len(written.getvalue()) > 1_000


def test_a_letter_that_no_font_has_is_written_by_its_number() -> None:
    figure = importance_plot(["\U000f0000 a", "Köln"], np.array([2.0, 1.5]))
    write_figure(figure, io.BytesIO(), format="png")
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["\\U000f0000 a", "Köln"]


def test_the_page_keeps_the_letters_for_the_fonts_of_its_reader() -> None:
    svg = inline_svg(plot(), "Columns")
    for name in NAMES:
        assert re.search(rf">\s*{name}\s*<", svg), name
