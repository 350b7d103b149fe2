"""Plots of how good a model is and how far the data go: calibration (reliability), cumulative gain,
decision curve (net benefit), backtest, sample size and learning curve, as matplotlib figures.

Each has a title that says what to see. The numbers come from what each plot takes as arguments,
and from `curves`; nothing is measured here.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from io import StringIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager, get_font
from matplotlib.text import Text

from winnable.core.columns import FloatArray
from winnable.core.files import whole_binary_file
from winnable.data.analysis.funnel_plot import INK, SOFT
from winnable.errors import StoreError
from winnable.learning.training.curves import gains, net_benefit, reliability_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from winnable.learning.readiness.learning_curve import CurvePoint
    from winnable.learning.readiness.readiness import Readiness
    from winnable.learning.training.backtest import Backtest

MARK = "#c0392b"
PALE = "#9fbfdd"
FAINT = "#d9d9d9"

USUAL_FONT = "DejaVu Sans"
"""The font that matplotlib brings with it: Latin, Cyrillic and Greek letters, among others."""
FURTHER_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans CJK KR",
    "Source Han Sans SC",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "Droid Sans Fallback",
    "Microsoft YaHei",
    "SimHei",
    "PingFang SC",
    "PingFang HK",
    "Heiti TC",
    "Hiragino Sans",
    "Yu Gothic",
    "MS Gothic",
    "IPAGothic",
    "Malgun Gothic",
    "Apple SD Gothic Neo",
    "NanumGothic",
    "Arial Unicode MS",
    "Unifont",
    "Noto Sans Thai",
    "Noto Sans Devanagari",
    "Noto Emoji",
    "Segoe UI Symbol",
)
"""Fonts with the letters of other scripts that are usual on one system or another."""

SQUARE_INCHES = (5.2, 4.6)
TITLE_POINTS = 10


def save_plot(figure: Figure, path: Path) -> None:
    """Write a figure; the file's ending says the form (.png, .svg, .pdf). `StoreError` where that
    is not possible."""
    form = path.suffix.removeprefix(".").lower() or None
    try:
        with whole_binary_file(path, "Choose another --plot.") as file:
            write_figure(figure, file, format=form, dpi=120)
    except ValueError:
        raise StoreError(
            f"{path}: a plot cannot be saved as a file of this kind; end its name in .png, .svg or"
            " .pdf."
        ) from None


def write_figure(
    figure: Figure, file: IO[bytes] | StringIO | Path, *, keep_text: bool = False, **form: Any
) -> None:
    """Write a figure with every letter readable, in whatever script an export's names are.

    A letter is drawn in a font that has it, if one is installed, else written by its number
    (\\u6765). With `keep_text`, the text is not drawn but kept for the reader's own fonts (SVG).
    """
    if any(not _has_glyphs(text.get_text(), (USUAL_FONT,)) for text in _texts(figure)):
        for text in _texts(figure):
            text.set_fontfamily([USUAL_FONT, *_installed()])
        if not keep_text:
            _write_by_number(figure)
    with warnings.catch_warnings():
        # What is kept as text is measured with a font that may not have it.
        warnings.filterwarnings("ignore", message=r"Glyph \d+", category=UserWarning)
        figure.savefig(file, **form)


def _texts(figure: Figure) -> list[Text]:
    """Every text of a figure, with the labels of ticks, which come to be when asked for."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            axis.get_ticklabels()
    return [text for text in figure.findobj(Text) if isinstance(text, Text)]


def _write_by_number(figure: Figure) -> None:
    for text in _texts(figure):
        text.set_text(_drawable(text.get_text()))
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            labels = axis.get_ticklabels()
            names = [_drawable(label.get_text()) for label in labels]
            if names != [label.get_text() for label in labels]:
                axis.set_ticks(axis.get_ticklocs(), labels=names)


def _drawable(words: str) -> str:
    """The words, with the number of each letter that no font here has."""
    if words.isascii():
        return words
    return "".join(
        letter
        if _has_glyphs(letter, (USUAL_FONT, *_installed()))
        else letter.encode("ascii", "backslashreplace").decode()
        for letter in words
    )


def _has_glyphs(words: str, fonts: tuple[str, ...]) -> bool:
    """Whether one or another of the fonts has each letter."""
    if words.isascii():
        return True
    known = [get_font(path) for path in _files(fonts)]
    return all(
        letter.isspace() or any(font.get_char_index(ord(letter)) for font in known)
        for letter in words
    )


@cache
def _files(fonts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(entry.fname for entry in fontManager.ttflist if entry.name in fonts)


@cache
def _installed() -> tuple[str, ...]:
    known = {entry.name for entry in fontManager.ttflist}
    return tuple(name for name in FURTHER_FONTS if name in known)


def reliability_plot(won: FloatArray, probability: FloatArray) -> Figure:
    """The calibration (reliability) plot: observed share against predicted probability in up to ten
    groups of equal size, with 80% confidence intervals; shapes (n,)."""
    figure = Figure(figsize=SQUARE_INCHES, layout="constrained")
    axes = figure.subplots()
    table = reliability_table(won, probability)
    top = max(float(table["high"].max()), float(table["predicted"].max())) * 1.05
    axes.plot([0, top], [0, top], color=SOFT, linewidth=1)
    axes.vlines(table["predicted"], table["low"], table["high"], color=INK, linewidth=1, alpha=0.6)
    axes.plot(table["predicted"], table["observed"], "o", color=INK)
    axes.set(xlim=(0, top), ylim=(0, top))
    axes.set(xlabel="Predicted probability", ylabel="Observed share")
    _title(axes, "Calibration: points on the diagonal are perfectly calibrated")
    return without_frame(figure)


def gain_plot(won: FloatArray, probability: FloatArray, rules: FloatArray) -> Figure:
    """The cumulative gain curve: the share of all wins among the top-scored leads, for the model
    and the scorecard; shapes (n,)."""
    figure = Figure(figsize=SQUARE_INCHES, layout="constrained")
    axes = figure.subplots()
    worked = np.arange(len(won) + 1) / len(won)
    for scores, label, color in ((rules, "scorecard", SOFT), (probability, "model", INK)):
        axes.plot(worked, gains(won, scores) / max(won.sum(), 1), color=color, label=label)
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.8, linestyle=":", label="random")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.set(xlabel="Share of leads contacted, highest score first", ylabel="Share of wins found")
    _title(axes, "Cumulative gain: the higher the curve, the fewer leads for the same wins")
    axes.legend(frameon=False)
    return without_frame(figure)


def net_benefit_plot(won: FloatArray, answers: Mapping[str, FloatArray]) -> Figure:
    """The decision curve: net benefit of each model over the probability thresholds, the first one
    drawn strongest, beside handing over all leads or none."""
    figure = Figure(figsize=SQUARE_INCHES, layout="constrained")
    axes = figure.subplots()
    table = net_benefit(won, answers)
    first, *others = answers
    for style, name in zip(("-", "--", "-."), others, strict=False):
        axes.plot(table.index, table[name], color=SOFT, linestyle=style, label=name)
    axes.plot(
        table.index, table["all"], color=SOFT, linewidth=0.8, linestyle=":", label="hand over all"
    )
    axes.plot(table.index, table[first], color=INK, label=first)
    axes.axhline(0, color=SOFT, linewidth=0.8)
    top = 1.1 * float(table[list(answers)].to_numpy().max())
    axes.set(xlim=(0, table.index.max()), ylim=(-0.3 * top, top) if top > 0 else (-1, 1))
    axes.set(xlabel="Threshold probability", ylabel="Net benefit per lead")
    _title(axes, "Decision curve (net benefit): higher is better")
    axes.legend(frameon=False)
    return without_frame(figure)


def backtest_plot(test: Backtest) -> Figure:
    """Skill and the predicted/observed ratio of the model, period by period, with 95% confidence
    intervals."""
    figure = Figure(figsize=(7.6, 6.2), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    _skill_by_period(upper, test)
    _ratio_by_period(lower, test)
    starts = [f"{period.start:%d %b %Y}" for period in test.periods]
    lower.set_xticks(np.arange(len(starts)), starts, rotation=40, ha="right")
    lower.set_xlabel("Trained on what was known that day, tested on leads created until the next")
    return without_frame(figure)


def _skill_by_period(axes: Axes, test: Backtest) -> None:
    measured = [period.measured() for period in test.periods]
    at = np.arange(len(measured))
    axes.axhline(0, color=SOFT, linewidth=0.8)
    for name, label, marker, line in (
        ("rules", "scorecard", "s", "none"),
        ("previous model", "previous model", "none", "--"),
    ):
        skill = [100 * period[name].skill if name in period else np.nan for period in measured]
        axes.plot(at, skill, color=SOFT, label=label, marker=marker, linestyle=line)
    intervals = [period.intervals["skill"] for period in test.periods]
    low = [100 * interval[0] for interval in intervals]
    high = [100 * interval[1] for interval in intervals]
    axes.vlines(at, low, high, color=INK, linewidth=1, alpha=0.6)
    skill = [100 * period["model"].skill for period in measured]
    axes.plot(at, skill, "o-", color=INK, label="model")
    axes.set_ylabel("Skill, %")
    _title(axes, "Skill: above 0, better than the base rate known on that day")
    axes.legend(frameon=False, ncols=3, loc="best")


def _ratio_by_period(axes: Axes, test: Backtest) -> None:
    axes.axhline(1, color=SOFT, linewidth=0.8)
    for at, period in enumerate(test.periods):
        ratio = period.measured()["model"].predicted_to_observed
        interval = period.intervals.get("observed_to_expected")
        if ratio is not None:
            axes.plot(at, ratio, "o", color=INK)
        if interval is not None and min(interval) > 0:
            axes.vlines(at, 1 / interval[1], 1 / interval[0], color=INK, linewidth=1, alpha=0.6)
    axes.set(yscale="log", ylabel="Predicted/observed wins")
    axes.set_yticks([0.5, 0.7, 1, 1.4, 2], labels=["0.5", "0.7", "1", "1.4", "2"])
    axes.minorticks_off()
    _title(axes, "Calibration in the large: above 1, too many wins were predicted")


def readiness_plot(readiness: Readiness, curve: Sequence[CurvePoint] = ()) -> Figure:
    """How the wins compare with the sample size needed, and the learning curve where there is one:
    the skill of models trained on fewer leads."""
    if not curve:
        figure = Figure(figsize=(7.2, 1.9), layout="constrained")
        last = figure.subplots()
        _sample_size(last, readiness)
    else:
        figure = Figure(figsize=(7.2, 4.2), layout="constrained")
        first, last = figure.subplots(2, 1, sharex=True, height_ratios=(1, 2))
        _sample_size(first, readiness)
        _learning_curve(last, curve)
    last.xaxis.set_major_formatter("{x:,.0f}")
    last.set_xlabel("Wins with a known outcome")
    return without_frame(figure)


def _sample_size(axes: Axes, readiness: Readiness) -> None:
    end = 2 * max(readiness.needed_wins, readiness.wins, 10)
    for low, high, shade, label, color in (
        (1, readiness.rules_below, FAINT, "use the scorecard", "black"),
        (readiness.rules_below, readiness.needed_wins, PALE, "blend", "black"),
        (readiness.needed_wins, end, INK, "model", "white"),
    ):
        axes.barh(0, max(0, high - low), left=low, color=shade, height=0.6)
        if high > 1.5 * low:
            axes.text(np.sqrt(low * high), 0, label, ha="center", va="center", color=color)
    axes.axvline(readiness.blend_from, color="white", linewidth=1, linestyle=":")
    axes.axvline(max(readiness.wins, 1), color=MARK, linewidth=2)
    axes.set(xscale="log", xlim=(1, end), yticks=[])
    _title(
        axes,
        f"Sample size: {readiness.wins:,} wins of the {readiness.needed_wins:,} needed for all"
        " columns",
    )


def _learning_curve(axes: Axes, curve: Sequence[CurvePoint]) -> None:
    wins = [point.wins for point in curve]
    axes.plot(wins, [100 * point.skill for point in curve], "o-", color=INK)
    axes.axhline(0, color=SOFT, linewidth=0.8)
    axes.set_ylabel("Skill, %")
    _title(axes, "Learning curve: still rising on the right, more wins would help")


def _title(axes: Axes, text: str) -> None:
    axes.set_title(text, fontsize=TITLE_POINTS, loc="left")


def without_frame(figure: Figure) -> Figure:
    """The same figure without the upper and right border of its axes."""
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    return figure
