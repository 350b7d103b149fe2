"""What a report is made of: sections of text, plots and tables, and the plots that only reports
have.

A plot is inlined as SVG whose colors are the page's, so that it reads on paper, by day and by
night, and whose labels are text in the page's typeface. No plot comes without a caption that says
what to see. The text is written in `model_sections` and `lead_sections`, how it looks is set in
`report.html`; plots of how good a model is (calibration, gain, decision curve) are in `plots`.
"""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from winnable.core.columns import FloatArray, IntArray
from winnable.data.analysis.funnel_plot import INK, SOFT
from winnable.learning.reporting.plots import MARK, without_frame, write_figure

MAX_ROWS_SHOWN = 12
"""Rows of a table or plot that nobody asked to see whole."""

LABEL_CHARACTERS = 34
"""Length of a label beside a plot; a longer one is cut."""

PAGE_COLORS = {
    "#000000": "var(--ink)",
    "#ffffff": "var(--paper)",
    "#1f4e79": "var(--accent)",
    "#c0392b": "var(--mark)",
    "#9a9a9a": "var(--soft)",
    "#9fbfdd": "var(--pale)",
    "#d9d9d9": "var(--faint)",
}
"""The colors that plots are drawn in, and what the page calls them."""


@dataclass(frozen=True)
class ReportTable:
    """Rows of text under columns of text; those named in `numbers` are aligned to the right."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReportPlot:
    """A plot as inline SVG, and the sentence that says what to see."""

    svg: str
    caption: str

    @classmethod
    def of(cls, figure: Figure, caption: str) -> "ReportPlot":
        """The figure, inlined."""
        return cls(inline_svg(figure, caption), caption)


@dataclass(frozen=True)
class Section:
    """One topic of the report: paragraphs, plots, tables, and notes in small print."""

    title: str
    paragraphs: tuple[str, ...] = ()
    plots: tuple[ReportPlot, ...] = ()
    tables: tuple[ReportTable, ...] = ()
    notes: tuple[str, ...] = ()


def percent(share: float, *, signed: bool = False, digits: int = 1) -> str:
    """A share (0 to 1) as a percentage, with a true minus sign."""
    sign = "+" if signed else ""
    return f"{100 * share:{sign}.{digits}f}%".replace("-", "−")


def whole_percent(share: float) -> str:
    """A share (0 to 1) as a whole percentage."""
    return percent(share, digits=0)


def percent_range(low: float, high: float) -> str:
    """An interval of shares (0 to 1), as in 12-18%."""
    return f"{100 * low:.0f}–{100 * high:.0f}%"


def inline_svg(figure: Figure, label: str) -> str:
    """The figure as an SVG element that takes its colors and typeface from the page; `label` is
    what a screen reader reads out.

    Titles are left out: the caption on the page says what to see. Equal figures give equal bytes.
    """
    for axes in figure.axes:
        axes.set_title("", loc="left")
    written = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": label}):
        write_figure(
            figure,
            written,
            keep_text=True,
            format="svg",
            transparent=True,
            metadata={"Date": None, "Creator": None},
        )
    svg = written.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg)
    svg = re.sub(r'(<svg[^>]*?) width="([^"]*)"', r'\1 style="max-width: \2"', svg)
    svg = re.sub(r"font: (?:\w+ )*?([\d.]+px)[^;\"]*", r"font-size: \1", svg)
    for drawn, on_page in PAGE_COLORS.items():
        svg = svg.replace(drawn, on_page)
    # Ids that nothing refers to would stand on the page once for each plot.
    referenced = set(re.findall(r"#([\w-]+)", svg))
    svg = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in referenced else "", svg)
    attributes = f'role="img" preserveAspectRatio="xMinYMin" aria-label="{_attribute(label)}"'
    return svg.replace("<svg ", f"<svg {attributes} ", 1)


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


def conversion_plot(
    names: Sequence[str], share: FloatArray, low: FloatArray, high: FloatArray, average: float
) -> Figure:
    """Conversion rates (0 to 1) with their confidence intervals, one below the other, beside the
    average as a line; arrays of shape (k,)."""
    figure, axes, rows = _bars_figure(names)
    axes.axvline(100 * average, color=SOFT, linewidth=1)
    axes.hlines(rows, 100 * low, 100 * high, color=INK, linewidth=1.5, alpha=0.6)
    axes.plot(100 * share, rows, "o", color=INK)
    axes.set_xlabel("Conversion, % of leads")
    axes.set_xlim(left=0)
    return without_frame(figure)


def importance_plot(names: Sequence[str], odds: FloatArray) -> Figure:
    """By what factor each feature moves the odds of a typical lead, as bars from 1 on, the
    strongest first; odds of shape (k,)."""
    figure, axes, rows = _bars_figure(names)
    axes.barh(rows, odds - 1, left=1, color=INK, height=0.55)
    axes.set_xlabel("Mean effect on the odds (odds ratio, up or down)")
    return without_frame(figure)


def observed_over_time_plot(
    periods: Sequence[str],
    predicted: FloatArray,
    observed: FloatArray,
    low: FloatArray,
    high: FloatArray,
) -> Figure:
    """Mean predicted probability and observed share, period by period, with the confidence interval
    of the observed share; shares of shape (k,)."""
    figure = Figure(figsize=(7.2, 2.9), layout="constrained")
    axes = figure.subplots()
    at = np.arange(len(periods))
    axes.vlines(at, 100 * low, 100 * high, color=INK, linewidth=1.5, alpha=0.6)
    axes.plot(at, 100 * observed, "o", color=INK, label="observed")
    axes.plot(
        at, 100 * predicted, "_", color=MARK, markersize=18, markeredgewidth=2, label="predicted"
    )
    axes.set_xticks(at, periods)
    axes.set(ylabel="Won, % of leads", xlim=(-0.6, len(periods) - 0.4))
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, ncols=2, loc="upper right")
    return without_frame(figure)


def _bars_figure(names: Sequence[str]) -> tuple[Figure, Axes, IntArray]:
    """A figure with one row a name, from the top down: itself, its axes and where the rows are."""
    figure = Figure(figsize=(7.2, 0.7 + 0.28 * len(names)), layout="constrained")
    axes = figure.subplots()
    rows = np.arange(len(names))[::-1]
    axes.set_yticks(rows, [_short(name) for name in names])
    axes.set_ylim(-0.6, len(names) - 0.4)
    return figure, axes, rows


def _short(name: str) -> str:
    return name if len(name) <= LABEL_CHARACTERS else f"{name[: LABEL_CHARACTERS - 2]} …"
