"""What a report is made of: sections of sentences, plots and tables, and the plots that only
reports have.

A plot is inlined as SVG whose colours are the page's, so that it reads on paper, by day and by
night, and whose letters are text in the page's typeface. No plot comes without a sentence that says
what to see. What is said is written in `report_quality` and `report_leads`, how it looks in
`report.html`; plots of how good a model is are drawn in `plots`.
"""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from winnable.core.columns import FloatArray

SHOWN = 12
"""Rows of a table or plot that nobody asked to see whole."""
INK, SOFT = "#1f4e79", "#9a9a9a"

ON_PAGE = {
    "#000000": "var(--ink)",
    "#ffffff": "var(--paper)",
    "#1f4e79": "var(--accent)",
    "#c0392b": "var(--mark)",
    "#9a9a9a": "var(--soft)",
    "#9fbfdd": "var(--pale)",
    "#d9d9d9": "var(--faint)",
}
"""The colours that plots are drawn in, and what the page calls them."""


@dataclass(frozen=True)
class ReportTable:
    """Rows of text under columns of text; those named in `numbers` are set to the right."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReportPlot:
    """A plot as inline SVG, and the sentence that says what to see."""

    svg: str
    says: str

    @classmethod
    def of(cls, figure: Figure, says: str) -> "ReportPlot":
        """The figure, inlined."""
        return cls(inline_svg(figure, says), says)


@dataclass(frozen=True)
class Section:
    """A question answered: sentences, plots, tables, and notes in small print."""

    title: str
    says: tuple[str, ...] = ()
    plots: tuple[ReportPlot, ...] = ()
    tables: tuple[ReportTable, ...] = ()
    notes: tuple[str, ...] = ()


def percent(share: float, *, signed: bool = False) -> str:
    """A share in per cent, with a true minus."""
    return f"{100 * share:{'+' if signed else ''}.1f} %".replace("-", "−")


def of_100(share: float) -> str:
    """A share as whole leads (wins) of 100."""
    return f"{100 * share:.0f}"


def inline_svg(figure: Figure, label: str) -> str:
    """The figure as an SVG element that takes its colours and typeface from the page; `label` is
    read out in its stead.

    Titles are left out: the page says in a sentence what to see. Equal figures give equal bytes.
    """
    for axes in figure.axes:
        axes.set_title("", loc="left")
    written = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": label}):
        figure.savefig(
            written, format="svg", transparent=True, metadata={"Date": None, "Creator": None}
        )
    svg = written.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(
        r'(<svg[^>]*?) width="([^"]*)"',
        r'\1 style="max-width: \2"',
        re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg),
    )
    svg = re.sub(r"font: (?:\w+ )*?([\d.]+px)[^;\"]*", r"font-size: \1", svg)
    for drawn, on_page in ON_PAGE.items():
        svg = svg.replace(drawn, on_page)
    asked_for = set(
        re.findall(r"#([\w-]+)", svg)
    )  # other ids would stand on the page once for each plot
    svg = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in asked_for else "", svg)
    return svg.replace(
        "<svg ",
        f'<svg role="img" preserveAspectRatio="xMinYMin" aria-label="{_attribute(label)}" ',
        1,
    )


def _attribute(words: str) -> str:
    return words.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


def shares_plot(
    names: Sequence[str], share: FloatArray, low: FloatArray, high: FloatArray, usual: float
) -> Figure:
    """Shares from 0 to 1 with their intervals, one below the other, beside the usual share as a
    line; arrays of shape (k,)."""
    figure = Figure(figsize=(7.2, 0.7 + 0.28 * len(names)), layout="constrained")
    axes = figure.subplots()
    rows = np.arange(len(names))[::-1]
    axes.axvline(100 * usual, color=SOFT, linewidth=1)
    axes.hlines(rows, 100 * low, 100 * high, color=INK, linewidth=1.5, alpha=0.6)
    axes.plot(100 * share, rows, "o", color=INK)
    axes.set_yticks(rows, [_short(name) for name in names])
    axes.set(ylim=(-0.6, len(names) - 0.4), xlabel="Won, of 100 leads")
    axes.set_xlim(left=0)
    return _bare(figure)


def weights_plot(names: Sequence[str], odds: FloatArray) -> Figure:
    """By what factor each thing moves the odds of a typical lead, as bars from 1 on, the strongest
    first; odds of shape (k,)."""
    figure = Figure(figsize=(7.2, 0.7 + 0.28 * len(names)), layout="constrained")
    axes = figure.subplots()
    rows = np.arange(len(names))[::-1]
    axes.barh(rows, odds - 1, left=1, color=INK, height=0.55)
    axes.set_yticks(rows, [_short(name) for name in names])
    axes.set(ylim=(-0.6, len(names) - 0.4), xlabel="Odds of a typical lead, times or divided by")
    return _bare(figure)


def through_time_plot(
    periods: Sequence[str], promised: FloatArray, won: FloatArray, low: FloatArray, high: FloatArray
) -> Figure:
    """What was promised and what came true, period by period, with the interval of what came true;
    shares of shape (k,)."""
    figure = Figure(figsize=(7.2, 2.9), layout="constrained")
    axes = figure.subplots()
    at = np.arange(len(periods))
    axes.vlines(at, 100 * low, 100 * high, color=INK, linewidth=1.5, alpha=0.6)
    axes.plot(at, 100 * won, "o", color=INK, label="won")
    axes.plot(
        at, 100 * promised, "_", color="#c0392b", markersize=18, markeredgewidth=2, label="promised"
    )
    axes.set_xticks(at, periods)
    axes.set(ylabel="Of 100 leads", xlim=(-0.6, len(periods) - 0.4))
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, ncols=2, loc="upper right")
    return _bare(figure)


def _short(name: str) -> str:
    return name if len(name) <= 34 else f"{name[:32]} …"


def _bare(figure: Figure) -> Figure:
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    return figure
