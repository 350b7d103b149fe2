"""Plots of how good a model is, as matplotlib figures; each has a title that says what to see. The numbers come from `curves`."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from winnable.definition.facts import FloatArray
from winnable.learning.curves import gains, net_benefit, reliability_table

INK, SOFT = "#1f4e79", "#9a9a9a"


def reliability_plot(won: FloatArray, probability: FloatArray) -> Figure:
    """Share won against predicted probability in up to ten groups of equal size, with 80 % intervals; shapes (n,)."""
    figure = Figure(figsize=(5.2, 4.6), layout="constrained")
    axes = figure.subplots()
    table = reliability_table(won, probability)
    top = max(float(table["high"].max()), float(table["predicted"].max())) * 1.05
    axes.plot([0, top], [0, top], color=SOFT, linewidth=1)
    axes.vlines(table["predicted"], table["low"], table["high"], color=INK, linewidth=1, alpha=0.6)
    axes.plot(table["predicted"], table["observed"], "o", color=INK)
    axes.set(xlim=(0, top), ylim=(0, top), xlabel="Predicted probability", ylabel="Share that was won")
    axes.set_title("Points on the line: what was promised came true", fontsize=10, loc="left")
    return _plain(figure)


def gain_plot(won: FloatArray, probability: FloatArray, rules: FloatArray) -> Figure:
    """Share of all wins found among the best-scored leads, for the model and the rules; shapes (n,)."""
    figure = Figure(figsize=(5.2, 4.6), layout="constrained")
    axes = figure.subplots()
    worked = np.arange(len(won) + 1) / len(won)
    for scores, label, color in ((rules, "rules", SOFT), (probability, "model", INK)):
        axes.plot(worked, gains(won, scores) / max(won.sum(), 1), color=color, label=label)
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.8, linestyle=":", label="at random")
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="Share of leads worked, best first", ylabel="Share of wins among them")
    axes.set_title("The higher the curve, the fewer leads for the same wins", fontsize=10, loc="left")
    axes.legend(frameon=False)
    return _plain(figure)


def net_benefit_plot(won: FloatArray, answers: Mapping[str, FloatArray]) -> Figure:
    """Net benefit of each answer over the thresholds, the first one drawn strongest, beside handing over all or none."""
    figure = Figure(figsize=(5.2, 4.6), layout="constrained")
    axes = figure.subplots()
    table = net_benefit(won, answers)
    first, *others = answers
    for style, name in zip(("-", "--", "-."), others, strict=False):
        axes.plot(table.index, table[name], color=SOFT, linestyle=style, label=name)
    axes.plot(table.index, table["all"], color=SOFT, linewidth=0.8, linestyle=":", label="hand over all")
    axes.plot(table.index, table[first], color=INK, label=first)
    axes.axhline(0, color=SOFT, linewidth=0.8)
    top = 1.1 * float(table[list(answers)].to_numpy().max())
    axes.set(xlim=(0, table.index.max()), ylim=(-0.3 * top, top) if top > 0 else (-1, 1))
    axes.set(xlabel="Probability from which a lead is handed over", ylabel="Net benefit a lead")
    axes.set_title("The higher the curve, the better the choice of whom to call", fontsize=10, loc="left")
    axes.legend(frameon=False)
    return _plain(figure)


def _plain(figure: Figure) -> Figure:
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    return figure
