"""What the commands print for people: notes, tables and verdicts, on the terminal.

Everything that is said comes from the objects that are handed in; nothing is computed here. `out`
is for results, `err` for what went wrong, so that a script can tell them apart.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pandas import DataFrame

    from winnable.core.progress import Progress
    from winnable.data.analysis.funnel import Funnel
    from winnable.data.analysis.suggest import Suggestions
    from winnable.data.autodetect.infer import Guesses
    from winnable.data.dataset import Dataset
    from winnable.interface import Model
    from winnable.learning.readiness.check import Check
    from winnable.learning.registry.champion_challenger import Contest
    from winnable.learning.registry.records import Promotion, Version
    from winnable.learning.training.backtest import Backtest
    from winnable.learning.training.metrics import Difference, Metrics

WIDTH = None if sys.stdout.isatty() else 130  # a file or a pipe has no width of its own
# Names and values are the company's: square brackets in them are no markup.
out = Console(highlight=False, soft_wrap=True, width=WIDTH, markup=False, emoji=False)
err = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)


def print_funnel(report: "Funnel") -> None:
    """The stages with their conversion, and what each source or month converts."""
    stages = Table(
        "stage",
        "leads",
        "of those before",
        "90 % sure",
        box=None,
        title="From stage to stage",
        title_justify="left",
    )
    for before, step in zip((None, *report.steps), report.steps, strict=False):
        share = (
            ("", "")
            if before is None or not step.before
            else (f"{100 * step.conversion:.0f} %", _between(step.low, step.high))
        )
        stages.add_row(step.name, f"{step.volume:,}", *share)
    out.print(stages)
    moved = {
        "passed back": "were passed back to marketing",
        "recycled": "came back after an end",
        "not allowed": "moved as they must not",
    }
    for kind, says in moved.items():
        if report.moves[kind]:  # type: ignore[index]
            out.print(f"{report.moves[kind]:,} times leads {says}.")  # type: ignore[index]
    out.print("")
    worked = any(group.worked is not None for group in report.groups)
    columns = [
        report.by,
        "leads",
        *(["taken up"] if worked else []),
        "won",
        "of 100",
        "90 % sure",
        "grade",
        "",
    ]
    groups = Table(*columns, box=None, title=f"By {report.by}", title_justify="left")
    for group in report.groups:
        known = group.leads - group.young
        share = (
            (f"{100 * group.conversion:.1f}", _between(group.low, group.high))
            if known
            else ("", "too young")
        )
        up = [f"{100 * (group.worked or 0) / known:.0f} %" if known else ""] if worked else []
        groups.add_row(
            group.name, f"{group.leads:,}", *up, f"{group.won:,}", *share, group.grade, group.advice
        )
    out.print(groups)
    for note in report.notes:
        out.print(f"Note: {note}")


def _between(low: float, high: float) -> str:
    return f"{100 * low:.0f} to {100 * high:.0f} %"


def print_suggestions(found: "Suggestions") -> None:
    """What speaks for and against leads, which kinds of activity tell nothing, and what was not
    looked at."""
    out.print(
        f"{found.won:,} of {found.leads:,} people were won; {found.looked_at:,} attributes and"
        " touchpoints were looked at."
    )
    if not found.looked_at:
        out.print(
            "Nothing is proposed: that takes at least 20 people who were won, and 20 who were not."
        )
    elif not found.rules:
        out.print(
            "Nothing is proposed: no difference between won and other leads is more than chance"
            " would show."
        )
    else:
        table = Table(
            "points",
            "when",
            "won with it",
            "without",
            "lift",
            "odds times",
            "sure to 95 %",
            box=None,
        )
        for rule in found.rules:
            shares = (
                f"{100 * rule.won / rule.leads:.1f} % of {rule.leads:,}",
                f"{100 * rule.won_without / rule.without:.1f} %",
            )
            odds = rule.effect
            numbers = (
                f"{rule.lift:.1f}",
                f"{odds.odds_ratio:.1f}",
                f"{odds.low:.1f} to {odds.high:.1f}",
            )
            table.add_row(f"{rule.points:+}", str(rule.condition), *shares, *numbers)
        out.print(table)
        out.print(
            "Confirmed on later leads."
            if found.confirmed
            else "Too few wins to confirm these on leads held back."
        )
    for verdict, says in (
        ("no use", "tell nothing"),
        ("cannot tell", "may tell something or nothing, there are too few to say"),
    ):
        kinds = [
            f"{signal.kind} ({signal.leads:,} leads)"
            for signal in found.signals
            if signal.verdict == verdict
        ]
        if kinds:
            out.print(f"Kinds of activity that {says}: {', '.join(kinds)}.")
    if found.left_out:
        out.print(
            f"Not looked at, because they seem to know the outcome: {', '.join(found.left_out)}."
        )
    if found.untracked:
        out.print(
            "Nor these, because nobody can say since when they stand there:"
            f" {', '.join(found.untracked)}."
        )


def print_guesses(
    guesses: "Guesses", output: Path, leads: str, activities: str | None, history: str | None
) -> None:
    """What a first definition was guessed from, where it lies, and the command to go on with."""
    status, vendor = (
        guesses.outcome.status,
        f", an export of {guesses.vendor.name}" if guesses.vendor else "",
    )
    won, lost = int(guesses.won.sum()), int(guesses.lost.sum())
    out.print(
        f"{len(guesses.leads):,} leads{vendor}: {won:,} won and {lost:,} lost by '{status.column}'."
    )
    out.print(
        f"{output} is written, each guess with its reason. Read it, correct what is wrong, then:"
    )
    given = [("--activities", activities), ("--history", history), ("--definition", str(output))]
    more = "".join(
        f" {option} {value}"
        for option, value in given
        if value is not None and value != "definition.toml"
    )
    out.print(f"  winnable train {leads}{more}")


def print_reading(data: "Dataset", rejects: Path | None = None) -> None:
    """Notes on the data, and how many rows could not be used and why; if it is to be written, also
    the file that says which."""
    from winnable import interface
    from winnable.core.text import counted

    for note in data.notes:
        out.print(f"Note: {note}")
    if rejects is not None:
        rejects.unlink(missing_ok=True)  # an earlier one describes another export
    if len(data.rejects):
        if rejects is not None:
            interface.write_rejects(data, rejects)
        where = "" if rejects is None else f"; {rejects} says why, row by row"
        out.print(f"{counted(len(data.rejects), 'row')} could not be used{where}:")
        for told, count in (
            ("of the " + data.rejects["table"] + ": " + data.rejects["reason"])
            .value_counts(sort=False)
            .items()
        ):
            out.print(f"  {count:>7,} {told}")


@contextmanager
def progress_bars() -> Iterator["Progress"]:
    """Bars with the time left for the work that reports to them; on a terminal only, and gone when
    the work is done."""
    shown = err.is_terminal and not out.quiet
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeRemainingColumn())
    # Results must not land among the errors: where the two go different ways, only the bars are
    # drawn here.
    bars = Bars(
        *columns,
        console=err,
        transient=True,
        disable=not shown,
        redirect_stdout=sys.stdout.isatty(),
    )
    tasks: dict[str, TaskID] = {}

    def tell(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = bars.add_task(what)
        bars.update(tasks[what], completed=done, total=total, visible=done < total)

    with bars:
        yield tell


def print_training(model: "Model") -> None:
    """What was learned, how good it is against the alternatives, and who is in charge."""
    candidate, verdict = model.candidate_, model.verdict_
    if candidate is None or verdict is None:
        raise ValueError("only a model that was just trained and registered can be shown so")
    for kept_out in (column for column in candidate.verdicts if column.verdict != "ok"):
        reason = (
            "its past is not known"
            if kept_out.verdict == "untracked"
            else "it may know the outcome"
        )
        out.print(f"Kept out, {reason}: {kept_out.name}. {' '.join(kept_out.evidence[:1])}")
    out.print(f"\n{verdict.summary}")
    out.print(f"Answers by: {candidate.mode}, {candidate.why}.")
    if candidate.judged is not None:
        out.print(_measures(candidate.judged.measured(), f"Judged on {candidate.judged.how}"))
    if verdict.contest is not None and verdict.changes is not None:
        _tell_contest(verdict.contest)
    if verdict.changes is not None:
        out.print(f"\nSince version {verdict.changes.since}:")
        for says in verdict.changes.lines:
            out.print(f"  {says}")


def _tell_contest(contest: "Contest") -> None:
    """The candidate beside the champion, the rules and the base rate, on the same leads."""
    out.print("")
    title = (
        f"Compared on {contest.how} ({contest.rows:,} rows, {contest.wins:,} won), from what the"
        " champion could know"
    )
    table = Table(
        "",
        "log loss",
        "model is lower by",
        "95 % sure",
        title=title,
        title_justify="left",
        box=None,
    )
    table.add_row("model", f"{contest.log_loss:.4f}", "", "")
    for rival in contest.rivals:
        sure = f"{rival.log_loss_reduction.low:+.4f} to {rival.log_loss_reduction.high:+.4f}"
        table.add_row(
            rival.name, f"{rival.log_loss:.4f}", f"{rival.log_loss_reduction.mean:+.4f}", sure
        )
    out.print(table)


def _measures(measured: "Mapping[str, Metrics]", title: str) -> Table:
    """The measures of several answers to the same leads."""
    table = Table(
        "",
        "log loss",
        "saved",
        "AUC",
        "predicted : won",
        title=title,
        title_justify="left",
        box=None,
    )
    for name, each in measured.items():
        auc = "" if each.auc is None else f"{each.auc:.3f}"
        ratio = "" if each.predicted_to_observed is None else f"{each.predicted_to_observed:.2f}"
        table.add_row(name, f"{each.log_loss:.4f}", f"{100 * each.skill:+.1f} %", auc, ratio)
    return table


def print_backtest(test: "Backtest") -> None:
    """Period by period what the model was worth, then over all of them beside the alternatives."""
    columns = (
        "learned on",
        "from wins",
        "leads",
        "won",
        "saved",
        "95 % sure",
        "rules",
        "predicted : won",
        "95 % sure",
        "slope",
        "lift",
    )
    table = Table(
        *columns,
        box=None,
        title="What a model learned on that day was worth for the leads that came next",
        title_justify="left",
    )
    for period in test.periods:
        measured, spread, lift = period.measured(), period.intervals, period.lift()
        model, rules = measured["model"], measured["rules"]
        low, high = spread.get("observed_to_expected", (0.0, 0.0))
        ratio = "" if model.predicted_to_observed is None else f"{model.predicted_to_observed:.2f}"
        table.add_row(
            f"{period.start:%Y-%m-%d}",
            f"{period.wins:,}",
            f"{period.judged:,}",
            f"{period.won:,}",
            f"{100 * model.skill:+.0f} %",
            "{:+.0f} to {:+.0f} %".format(*(100 * end for end in spread["skill"])),
            f"{100 * rules.skill:+.0f} %",
            ratio,
            f"{1 / high:.2f} to {1 / low:.2f}" if low > 0 else "",
            "" if model.slope is None else f"{model.slope:.2f}",
            f"{lift['model']:.2f}" if lift else "",
        )
    out.print(table)
    out.print("")
    out.print(_measures(test.measured(), "All of them together"))
    for other in test.others:
        out.print(_compared(other, test.compared(other)))
    for note in test.notes:
        out.print(f"Note: {note}")


def _compared(other: str, less: "Difference") -> str:
    better = "better" if less.mean > 0 else "worse"
    sure = "surely so" if less.low > 0 or less.high < 0 else "which may be chance"
    loss = f"log loss {abs(less.mean):.4f} {'lower' if less.mean > 0 else 'higher'}"
    return (
        f"The model was {better} than the {other}: {loss} (95 % sure: {-less.high:+.4f} to"
        f" {-less.low:+.4f}), {sure}."
    )


def print_check(data: "Dataset", found: "Check") -> None:
    """What is odd, which columns are kept out and why, and whether there is enough to learn from."""
    out.print("The data")
    for says in [*data.notes, *(finding.text for finding in found.quality)] or ["Nothing odd."]:
        out.print(f"  {says}")
    odd = [column for column in found.columns if column.verdict != "ok" or column.overruled]
    out.print(
        f"\nThe columns: {len(found.columns) - len(odd)} of {len(found.columns)} are above"
        " suspicion"
    )
    for column in odd:
        verdict = (
            "used, because the definition says so"
            if column.overruled
            else f"{column.verdict}, kept out"
        )
        told = (
            column.evidence[:1]
            if column.verdict == "untracked"
            else dict.fromkeys((column.evidence[0], column.evidence[-1]))
        )
        out.print(f"  {column.name}: {verdict}. {' '.join(told)}")
    if any(column.verdict == "untracked" for column in odd):
        out.print(
            "  If an untracked one is known when a lead comes and never changed after, list it"
            " under columns.fixed."
        )
    if any(column.verdict in ("suspect", "quarantined") for column in odd):
        out.print(
            "  If one of them is known before the outcome, list it under columns.fixed (suspect) or"
            " columns.trusted."
        )
    out.print("\nThe history")
    for says in found.readiness.messages:
        out.print(f"  {says}")
    for point in found.curve:
        saved = f"{100 * point.saved:+.1f} % of the base rate's log loss"
        out.print(
            f"  A model learned from {point.leads:,} leads ({point.wins:,} wins) saves {saved} on"
            " others."
        )
    out.print(f"\n{'Ready' if found.readiness.ready else 'Not ready'} by the published minimum.")


def print_scores(table: "DataFrame", model: "Model", output: Path) -> None:
    """How many leads were scored and by whom, where the table lies, and how many fell to each
    decision."""
    who = (
        "the rules" if model.version == "rules" else f"model version {model.version} ({model.mode})"
    )
    out.print(f"{int(table['error'].isna().sum()):,} leads scored by {who}, written to {output}")
    if model.mode == "rules":
        out.print(f"By the rules, because {model.why}.")
    for decision, count in table["decision"].value_counts().items():
        out.print(f"  {decision:<8} {count:>8,}")


def print_best(scores: Path) -> None:
    """The best leads of a table of scores, with the reasons."""
    import pandas as pd

    best = pd.read_csv(scores).nlargest(5, "probability")
    table = Table("lead", "of 100", "between", "grade", "decision", "strongest reasons", box=None)
    for lead in best.to_dict("records"):
        between = f"{100 * lead['low']:.0f} and {100 * lead['high']:.0f}"
        reasons = "; ".join(str(lead["reasons"]).split("; ")[:2])
        table.add_row(
            str(lead["lead_id"]),
            f"{100 * lead['probability']:.0f}",
            between,
            str(lead["grade"]),
            str(lead["decision"]),
            reasons,
        )
    out.print("\nThe best open leads:")
    out.print(table)


def print_promotions(found: "Sequence[Promotion]", store: Path) -> None:
    """Every change of a store's champion, the oldest first."""
    if not found:
        out.print(f"{store}: no model has been champion yet. `winnable train` makes the first.")
        return
    table = Table("when (UTC)", "champion", "instead of", "how", "by", "because", box=None)
    for each in found:
        table.add_row(
            _minute(each.at),
            str(each.version),
            str(each.before or ""),
            each.kind,
            each.by,
            each.because,
        )
    out.print(table)


def print_versions(versions: "Sequence[Version]", store: Path) -> None:
    """The versions of a store, the newest first, and how good each was."""
    if not versions:
        out.print(f"{store}: no model yet. `winnable train` makes one.")
        return
    table = Table(
        "version",
        "",
        "made (UTC)",
        "data until",
        "mode",
        "leads",
        "wins",
        "log loss",
        "saved",
        "AUC",
        box=None,
    )
    for each in versions:
        tags = each.tags
        counts = (f"{int(tags[name]):,}" if name in tags else "" for name in ("leads", "wins"))
        saved = f"{100 * float(tags['skill']):+.1f} %" if "skill" in tags else ""
        quality = (tags.get("log_loss", "")[:6], saved, tags.get("auc", "")[:5])
        days = (_minute(each.made), tags.get("known_until", "")[:10])
        table.add_row(
            str(each.version), each.standing, *days, tags.get("mode", ""), *counts, *quality
        )
    out.print(table)
    out.print(
        "Each was judged on the latest leads of its own day; `winnable train` compares a new one"
        " with the champion."
    )


def _minute(moment: str) -> str:
    return moment[:16].replace("T", " ")
