"""Plots of how good a model is, as matplotlib figures; each has a title that says what to see."""

import numpy as np
from matplotlib.figure import Figure

from winnable.definition.facts import FloatArray

BINS = 10
INK, SOFT = "#1f4e79", "#9a9a9a"


def reliability_plot(won: FloatArray, probability: FloatArray) -> Figure:
    """Share won against predicted probability in up to ten groups of equal size, with 80 % Beta intervals; shapes (n,)."""
    from scipy.stats import beta

    figure = Figure(figsize=(5.2, 4.6), layout="constrained")
    axes = figure.subplots()
    groups = [group for group in np.array_split(np.argsort(probability, kind="stable"), BINS) if len(group)]
    predicted = np.array([probability[group].mean() for group in groups])
    wins, size = np.array([won[group].sum() for group in groups]), np.array([len(group) for group in groups])
    low, high = beta.ppf([[0.1], [0.9]], wins + 0.5, size - wins + 0.5)
    top = max(float(high.max()), float(predicted.max())) * 1.05
    axes.plot([0, top], [0, top], color=SOFT, linewidth=1)
    axes.vlines(predicted, low, high, color=INK, linewidth=1, alpha=0.6)
    axes.plot(predicted, wins / size, "o", color=INK)
    axes.set(xlim=(0, top), ylim=(0, top), xlabel="Predicted probability", ylabel="Share that was won")
    axes.set_title("Points on the line: what was promised came true", fontsize=10, loc="left")
    return _plain(figure)


def gain_plot(won: FloatArray, probability: FloatArray, rules: FloatArray) -> Figure:
    """Share of all wins found among the best-scored leads, for the model and the rules; shapes (n,)."""
    figure = Figure(figsize=(5.2, 4.6), layout="constrained")
    axes = figure.subplots()
    worked = np.arange(len(won) + 1) / len(won)
    for scores, label, color in ((rules, "rules", SOFT), (probability, "model", INK)):
        found = np.append(0, np.cumsum(won[np.argsort(-scores, kind="stable")])) / max(won.sum(), 1)
        axes.plot(worked, found, color=color, label=label)
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.8, linestyle=":", label="at random")
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="Share of leads worked, best first", ylabel="Share of wins among them")
    axes.set_title("The higher the curve, the fewer leads for the same wins", fontsize=10, loc="left")
    axes.legend(frameon=False)
    return _plain(figure)


def _plain(figure: Figure) -> Figure:
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    return figure
