"""The funnel plot: how many leads reach each stage, and the conversion of each source or month with
its confidence interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from winnable.data.analysis.funnel import UNKNOWN, Funnel, Group

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#1f4e79"
SOFT = "#9a9a9a"
WARM = "#c0562b"
MAX_GROUPS = 24
"""More groups are not drawn: the smallest sources and the oldest months are left out."""


def funnel_plot(report: Funnel) -> Figure:
    """Two panels: volume by stage, and conversion by source (the best at the top) or month, with
    90% intervals."""
    from matplotlib.figure import Figure

    groups = _drawn(report)
    height = max(3.2, 0.34 * len(groups) + 1.4) if report.by != "month" else 4.0
    figure = Figure(figsize=(11.5, height), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.0, 1.25))
    _stages(left, report)
    if report.by == "month":
        _months(right, groups, _usual(report))
    else:
        _sources(right, groups, _usual(report), "source" if report.by == "source" else "cell")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _drawn(report: Funnel) -> list[Group]:
    if report.by == "month":
        return [group for group in report.groups if group.name != UNKNOWN][-MAX_GROUPS:]
    known = sorted(
        (group for group in report.groups if group.leads > group.young),
        key=lambda group: -group.leads,
    )[:MAX_GROUPS]
    return sorted(known, key=lambda group: group.conversion)


def _usual(report: Funnel) -> float:
    known = sum(group.leads - group.young for group in report.groups)
    return sum(group.won for group in report.groups) / known if known else np.nan


def _stages(axes: Axes, report: Funnel) -> None:
    places = np.arange(len(report.steps))[::-1]
    volumes = [step.volume for step in report.steps]
    axes.barh(places, volumes, color=INK, height=0.62)
    top = max([*volumes, 1])
    for place, step, first in zip(
        places, report.steps, [True] + [False] * (len(report.steps) - 1), strict=True
    ):
        share = (
            ""
            if first or not step.before
            else f"   {100 * step.conversion:.0f}% of the previous stage"
        )
        axes.text(
            step.volume + 0.015 * top,
            place,
            f"{step.volume:,}{share}",
            va="center",
            fontsize=9,
            color="#333333",
        )
    axes.set_yticks(places, [step.name for step in report.steps])
    axes.set(xlim=(0, 1.45 * top), xticks=[])
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_title("Leads that reached each stage\n", fontsize=10, loc="left")


def _sources(axes: Axes, groups: list[Group], usual: float, by: str) -> None:
    places = np.arange(len(groups))
    shares = 100 * np.asarray(
        [[group.low, group.conversion, group.high] for group in groups]
    ).reshape(-1, 3)
    colors = [WARM if group.advice else INK for group in groups]
    axes.hlines(places, shares[:, 0], shares[:, 2], color=colors, linewidth=1.4, alpha=0.7)
    axes.scatter(shares[:, 1], places, color=colors, s=26, zorder=3)
    axes.axvline(100 * usual, color=SOFT, linewidth=1, linestyle=":")
    names = [
        f"{group.name}  ({group.leads:,}){'  ' + group.grade if group.grade else ''}"
        for group in groups
    ]
    axes.set_yticks(places, names, fontsize=9)
    axes.set(xlim=(0, None), ylim=(-0.7, len(groups) - 0.3), xlabel="Conversion (%)")
    warned = "; orange: needs attention" if any(group.advice for group in groups) else ""
    axes.set_title(
        f"Conversion by {by}, with 90% intervals\n(dotted: all leads{warned})",
        fontsize=10,
        loc="left",
    )


def _months(axes: Axes, groups: list[Group], usual: float) -> None:
    old = [group for group in groups if group.leads > group.young]
    places = np.arange(len(old))
    shares = 100 * np.asarray([[group.low, group.conversion, group.high] for group in old]).reshape(
        -1, 3
    )
    axes.vlines(places, shares[:, 0], shares[:, 2], color=INK, linewidth=1.4, alpha=0.7)
    axes.plot(places, shares[:, 1], "o-", color=INK, linewidth=1, markersize=5)
    axes.axhline(100 * usual, color=SOFT, linewidth=1, linestyle=":")
    every = max(1, -(-len(old) // 6))
    axes.set_xticks(places[::every], [group.name for group in old][::every], fontsize=9)
    axes.set(ylim=(0, None), ylabel="Conversion (%)", xlabel="Month of creation")
    axes.set_title(
        "Conversion by month, with 90% intervals\n(dotted: all leads)", fontsize=10, loc="left"
    )
