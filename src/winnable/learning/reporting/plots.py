"""Plots of how good a model is and how far a history goes, as matplotlib figures; each has a title
that says what to see.

The numbers come from those who are named in each plot's arguments, and from `curves`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from winnable.core.columns import FloatArray
from winnable.errors import StoreError
from winnable.learning.training.curves import gains, net_benefit, reliability_table

if TYPE_CHECKING:
    from winnable.learning.readiness.learning_curve import CurvePoint
    from winnable.learning.readiness.readiness import Readiness
    from winnable.learning.training.backtest import Backtest

INK, SOFT = "#1f4e79", "#9a9a9a"


def save_plot(figure: Figure, path: Path) -> None:
    """Write a figure; the file's ending says the form (.png, .svg, .pdf). `StoreError` where that
    is not possible."""
    try:
        figure.savefig(path, dpi=120)
    except ValueError:
        raise StoreError(
            f"{path}: nothing can be drawn into a file of this kind; end its name in .png, .svg or"
            " .pdf."
        ) from None
    except OSError as error:
        raise StoreError(
            f"{path}: the plot cannot be written there: {error.strerror or error}."
        ) from None


def reliability_plot(won: FloatArray, probability: FloatArray) -> Figure:
    """Share won against predicted probability in up to ten groups of equal size, with 80 %
    intervals; shapes (n,)."""
    figure = Figure(figsize=(5.2, 4.6), layout="constrained")
    axes = figure.subplots()
    table = reliability_table(won, probability)
    top = max(float(table["high"].max()), float(table["predicted"].max())) * 1.05
    axes.plot([0, top], [0, top], color=SOFT, linewidth=1)
    axes.vlines(table["predicted"], table["low"], table["high"], color=INK, linewidth=1, alpha=0.6)
    axes.plot(table["predicted"], table["observed"], "o", color=INK)
    axes.set(
        xlim=(0, top), ylim=(0, top), xlabel="Predicted probability", ylabel="Share that was won"
    )
    axes.set_title("Points on the line: what was promised came true", fontsize=10, loc="left")
    return _plain(figure)


def gain_plot(won: FloatArray, probability: FloatArray, rules: FloatArray) -> Figure:
    """Share of all wins found among the best-scored leads, for the model and the rules; shapes
    (n,)."""
    figure = Figure(figsize=(5.2, 4.6), layout="constrained")
    axes = figure.subplots()
    worked = np.arange(len(won) + 1) / len(won)
    for scores, label, color in ((rules, "rules", SOFT), (probability, "model", INK)):
        axes.plot(worked, gains(won, scores) / max(won.sum(), 1), color=color, label=label)
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.8, linestyle=":", label="at random")
    axes.set(
        xlim=(0, 1),
        ylim=(0, 1),
        xlabel="Share of leads worked, best first",
        ylabel="Share of wins among them",
    )
    axes.set_title(
        "The higher the curve, the fewer leads for the same wins", fontsize=10, loc="left"
    )
    axes.legend(frameon=False)
    return _plain(figure)


def net_benefit_plot(won: FloatArray, answers: Mapping[str, FloatArray]) -> Figure:
    """Net benefit of each answer over the thresholds, the first one drawn strongest, beside handing
    over all or none."""
    figure = Figure(figsize=(5.2, 4.6), layout="constrained")
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
    axes.set(xlabel="Probability from which a lead is handed over", ylabel="Net benefit a lead")
    axes.set_title(
        "The higher the curve, the better the choice of whom to call", fontsize=10, loc="left"
    )
    axes.legend(frameon=False)
    return _plain(figure)


def backtest_plot(test: Backtest) -> Figure:
    """What the model saved, and what it promised against what came true, period by period, with 95
    % intervals."""
    figure = Figure(figsize=(7.6, 6.2), layout="constrained")
    saved, promised = figure.subplots(2, 1, sharex=True)
    measured = [period.measured() for period in test.periods]
    spread = [period.intervals for period in test.periods]
    at = np.arange(len(measured))
    saved.axhline(0, color=SOFT, linewidth=0.8)
    for name, style in (
        ("rules", {"marker": "s", "linestyle": "none"}),
        ("previous model", {"linestyle": "--"}),
    ):
        told = [100 * each[name].skill if name in each else np.nan for each in measured]
        saved.plot(at, told, color=SOFT, label=name, **style)
    saved.vlines(
        at,
        *([100 * each["skill"][end] for each in spread] for end in (0, 1)),
        color=INK,
        linewidth=1,
        alpha=0.6,
    )
    saved.plot(at, [100 * each["model"].skill for each in measured], "o-", color=INK, label="model")
    saved.set(ylabel="Log loss saved, %")
    saved.set_title(
        "Above the line the answers are worth more than the base rate known on that day",
        fontsize=10,
        loc="left",
    )
    saved.legend(frameon=False, ncols=3, loc="best")
    promised.axhline(1, color=SOFT, linewidth=0.8)
    ratios = [
        (at[i], each["model"].predicted_to_observed, spread[i].get("observed_to_expected"))
        for i, each in enumerate(measured)
    ]
    for where, ratio, ends in ratios:
        if ratio is not None:
            promised.plot(where, ratio, "o", color=INK)
        if ends is not None and min(ends) > 0:
            promised.vlines(where, 1 / ends[1], 1 / ends[0], color=INK, linewidth=1, alpha=0.6)
    promised.set(yscale="log", ylabel="Wins predicted : wins seen")
    promised.set_yticks([0.5, 0.7, 1, 1.4, 2], labels=["0.5", "0.7", "1", "1.4", "2"])
    promised.minorticks_off()
    promised.set_title(
        "On the line: as many were won as promised; above it too much was promised",
        fontsize=10,
        loc="left",
    )
    promised.set_xticks(
        at, [f"{period.start:%d %b %Y}" for period in test.periods], rotation=40, ha="right"
    )
    promised.set_xlabel(
        "Learned from what was known on this day, judged on the leads that came until the next"
    )
    return _plain(figure)


def readiness_plot(readiness: Readiness, curve: Sequence[CurvePoint] = ()) -> Figure:
    """Where the company stands on the way to enough wins, and what models learned from fewer leads
    could do."""
    figure = Figure(figsize=(7.2, 4.2 if curve else 1.9), layout="constrained")
    way = figure.subplots(2, 1, sharex=True, height_ratios=(1, 2)) if curve else [figure.subplots()]
    edges, end = (
        [1, readiness.rules_below, readiness.needed_wins],
        2 * max(readiness.needed_wins, readiness.wins, 10),
    )
    shades = ("#d9d9d9", "#9fbfdd", INK)
    for low, high, shade, label in zip(
        edges, [*edges[1:], end], shades, ("lean on the rules", "blend", "model"), strict=True
    ):
        way[0].barh(0, max(0, high - low), left=low, color=shade, height=0.6)
        if high > 1.5 * low:
            way[0].text(
                np.sqrt(low * high),
                0,
                label,
                ha="center",
                va="center",
                color="white" if label == "model" else "black",
            )
    way[0].axvline(readiness.blend_from, color="white", linewidth=1, linestyle=":")
    way[0].axvline(max(readiness.wins, 1), color="#c0392b", linewidth=2)
    way[0].set(xscale="log", xlim=(1, end), yticks=[])
    way[0].set_title(
        f"{readiness.wins:,} wins of the {readiness.needed_wins:,} that all columns need",
        fontsize=10,
        loc="left",
    )
    if curve:
        way[1].plot(
            [point.wins for point in curve], [100 * point.saved for point in curve], "o-", color=INK
        )
        way[1].axhline(0, color=SOFT, linewidth=0.8)
        way[1].set_ylabel("log loss saved, per cent")
        way[1].set_title(
            "Still rising on the right: more wins would still help", fontsize=10, loc="left"
        )
    way[-1].xaxis.set_major_formatter("{x:,.0f}")
    way[-1].set_xlabel("Wins with a known outcome")
    return _plain(figure)


def _plain(figure: Figure) -> Figure:
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    return figure
