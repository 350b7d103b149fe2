"""Terminal output of the commands: notes, tables and summaries.

Everything printed comes from the objects that are handed in; nothing is computed here. `out` is for
results, `err` for errors and progress, so that a script can tell them apart.
"""

import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table

from winnable.core.text import counted, listed, percent_range

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pandas import DataFrame

    from winnable.core.progress import Progress
    from winnable.data.analysis.funnel import Funnel
    from winnable.data.analysis.suggest import Suggestions
    from winnable.data.autodetect.infer import Guesses
    from winnable.data.dataset import Dataset
    from winnable.data.ingestion.sources.options import ReadOptions
    from winnable.definition.stages import MoveKind
    from winnable.interface import Model
    from winnable.learning.readiness.check import Check
    from winnable.learning.registry.champion_challenger import Comparison
    from winnable.learning.registry.promotion import Registration
    from winnable.learning.registry.records import Promotion, Version
    from winnable.learning.training.backtest import Backtest
    from winnable.learning.training.metrics import Difference, Metrics

WIDTH = None if sys.stdout.isatty() else 130
"""Columns; a file or a pipe has no width of its own."""

# Names and values are the company's: square brackets in them are no markup.
out = Console(highlight=False, soft_wrap=True, width=WIDTH, markup=False, emoji=False)
err = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)


def print_funnel(report: "Funnel") -> None:
    """The stages with their conversion, and what each source or month converts."""
    by_people = any(step.people != step.volume for step in report.steps)
    stages = Table(
        "stage",
        "leads",
        *(["people"] if by_people else []),
        "of previous",
        "90% CI",
        box=None,
        title="Stage to stage",
        title_justify="left",
    )
    if report.anonymous is not None:
        stages.add_row(
            report.anonymous.name,
            f"{report.anonymous.volume:,}",
            *([""] if by_people else []),
            "",
            "",
        )
    for before, step in zip((None, *report.steps), report.steps, strict=False):
        share = (
            ("", "")
            if before is None or not step.before
            else (f"{step.conversion:.0%}", percent_range(step.low, step.high))
        )
        people = [f"{step.people:,}"] if by_people else []
        stages.add_row(step.name, f"{step.volume:,}", *people, *share)
    out.print(stages)
    moves: dict[MoveKind, str] = {
        "passed back": "Leads were passed back to marketing",
        "recycled": "Leads came back after they were closed",
        "not allowed": "Leads made a move that the stages do not allow",
    }
    for kind, text in moves.items():
        count = report.moves[kind]
        if count:
            out.print(f"{text} {counted(count, 'time')}.")
    out.print("")
    worked = any(group.worked is not None for group in report.groups)
    columns = [
        report.by,
        "leads",
        *(["accepted"] if worked else []),
        "won",
        "win rate",
        "90% CI",
        "grade",
        "",
    ]
    groups = Table(*columns, box=None, title=f"By {report.by}", title_justify="left")
    for group in report.groups:
        known = group.leads - group.young
        share = (
            (f"{group.conversion:.1%}", percent_range(group.low, group.high))
            if known
            else ("", "too recent")
        )
        accepted = []
        if worked:
            accepted = [f"{(group.worked or 0) / known:.0%}" if known else ""]
        groups.add_row(
            group.name,
            f"{group.leads:,}",
            *accepted,
            f"{group.won:,}",
            *share,
            group.grade,
            group.advice,
        )
    out.print(groups)
    for note in report.notes:
        out.print(f"Note: {note}")


def print_suggestions(found: "Suggestions") -> None:
    """Suggested rules with their evidence, activities without evidence, and excluded columns."""
    from winnable.data.leakage.detect import LEAKAGE, UNTRACKED

    out.print(
        f"{found.won:,} of {found.leads:,} people were won; {found.looked_at:,} attributes and"
        " touchpoints were tested."
    )
    if not found.looked_at:
        out.print(
            "No suggestions: that takes at least 20 people who were won, and 20 who were not."
        )
    elif not found.rules:
        out.print(
            "No suggestions: no difference between won and other leads is statistically"
            " significant."
        )
    else:
        table = Table(
            "points",
            "when",
            "won with it",
            "without",
            "lift",
            "odds ratio",
            "95% CI",
            box=None,
        )
        for rule in found.rules:
            shares = (
                f"{rule.won / rule.leads:.1%} of {rule.leads:,}",
                f"{rule.won_without / rule.without:.1%}",
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
            else "Too few wins to confirm these on later leads."
        )
    for verdict, text in (
        ("no use", "without any effect on winning"),
        ("cannot tell", "with too few leads to tell whether they matter"),
    ):
        kinds = [
            f"{signal.kind} ({signal.leads:,} leads)"
            for signal in found.signals
            if signal.verdict == verdict
        ]
        if kinds:
            out.print(f"Activities {text}: {', '.join(kinds)}.")
    if found.left_out:
        out.print(f"Excluded ({LEAKAGE}): {', '.join(found.left_out)}.")
    if found.untracked:
        out.print(f"Excluded ({UNTRACKED}): {', '.join(found.untracked)}.")


def print_guesses(
    guesses: "Guesses",
    output: Path,
    leads: str,
    activities: str | None,
    history: str | None,
    options: "ReadOptions",
) -> None:
    """What a first definition was drafted from, where it is, and the next command."""
    for note in guesses.notes:
        out.print(f"Note: {note}")
    outcome = guesses.outcome
    by = listed(outcome.columns)
    vendor = f", an export of {guesses.vendor.name}" if guesses.vendor else ""
    won = int(guesses.won.sum())
    lost = int(guesses.lost.sum())
    out.print(f"{len(guesses.leads):,} leads{vendor}: {won:,} won and {lost:,} lost by {by}.")
    for text in guesses.outcome.silent:
        out.print(f"Warning: {text}.")
    for hint in guesses.outcome.hints:
        out.print(f"Nobody is called lost, but {hint}.")
    out.print(
        f"Wrote {output}, each guess with its reason. Read it, correct what is wrong, then run:"
    )
    given = [("--activities", activities), ("--history", history), ("--definition", str(output))]
    given += [
        ("--encoding", options.encoding),
        ("--sheet", options.sheet),
        ("--header-row", None if options.header_row is None else str(options.header_row)),
    ]
    more = "".join(
        f" {option} {shlex.quote(value)}"
        for option, value in given
        if value is not None and value != "definition.toml"
    )
    out.print(f"  winnable train {leads}{more}")


def print_reading(data: "Dataset", rejects: Path | None = None) -> None:
    """Notes on the data, and how many rows were rejected and why; with `rejects`, they are also
    written to that file."""
    from winnable import interface

    for note in data.notes:
        out.print(f"Note: {note}")
    if rejects is not None:
        rejects.unlink(missing_ok=True)  # an earlier one describes another export
    if len(data.rejects):
        if rejects is not None:
            interface.write_rejects(data, rejects)
        where = "" if rejects is None else f" ({rejects} lists them)"
        out.print(f"{counted(len(data.rejects), 'row')} could not be used{where}:")
        reasons = data.rejects["table"] + ": " + data.rejects["reason"]
        for reason, count in reasons.value_counts(sort=False).items():
            out.print(f"  {count:>7,} in {reason}")


def print_alarms(found: "Sequence[str]") -> None:
    """What makes the data look wrong, on standard error where nothing else is printed: a job that
    nobody watches must not be silent about it."""
    if not found:
        return
    console = err if out.quiet else out
    console.print("Data")
    for text in found:
        console.print(f"  Warning: {text}")


def print_worse(verdict: "Registration") -> None:
    """That a baseline answers, because the model is worse than it, or that the model is not proven
    to be better."""
    console = err if out.quiet else out
    if verdict.doubt is not None:
        console.print(f"\nWarning: {verdict.doubt}")
    if verdict.instead is not None:
        console.print(f"\nWarning: the model is worse than {verdict.instead}. {verdict.summary}")


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
    """What was trained, how good it is beside the alternatives, and which model is champion."""
    candidate = model.candidate_
    verdict = model.verdict_
    if candidate is None or verdict is None:
        raise ValueError("only a model that was just trained and registered can be shown so")
    for column in candidate.verdicts:
        if column.verdict == "ok":
            continue
        evidence = " ".join(column.evidence[:1])
        out.print(f"Excluded ({column.reason}): {column.name}. {evidence}")
    if verdict.instead is None:
        out.print(f"\n{verdict.summary}")
    print_worse(verdict)
    out.print(f"Model type: {candidate.mode}, {candidate.why}.")
    if candidate.evaluation is not None:
        title = f"Evaluated on {candidate.evaluation.how}: {candidate.evaluation.size}"
        out.print(_metrics_table(candidate.evaluation.measured(), title))
    if verdict.comparison is not None and verdict.changes is not None:
        _print_comparison(verdict.comparison)
    if verdict.changes is not None:
        out.print(f"\nSince version {verdict.changes.since}:")
        for line in verdict.changes.lines:
            out.print(f"  {line}")


def _print_comparison(comparison: "Comparison") -> None:
    """The challenger beside the champion, the scorecard and the base rate, on the same leads."""
    out.print("")
    title = (
        f"Compared on {comparison.how} ({comparison.rows:,} rows, {comparison.wins:,} won), trained"
        " on what the champion could know"
    )
    table = Table(
        "",
        "log loss",
        "log-loss difference",
        "95% CI",
        title=title,
        title_justify="left",
        box=None,
    )
    table.add_row("model", f"{comparison.log_loss:.4f}", "", "")
    for competitor in comparison.competitors:
        reduction = competitor.log_loss_reduction
        table.add_row(
            competitor.name,
            f"{competitor.log_loss:.4f}",
            f"{-reduction.mean:+.4f}",
            f"{-reduction.high:+.4f} to {-reduction.low:+.4f}",
        )
    out.print(table)


def _metrics_table(measured: "Mapping[str, Metrics]", title: str) -> Table:
    """The metrics of several models on the same leads."""
    table = Table(
        "",
        "log loss",
        "skill",
        "AUC",
        "predicted/observed",
        title=title,
        title_justify="left",
        box=None,
    )
    for key, metrics in measured.items():
        name = "scorecard" if key == "rules" else key
        auc = "" if metrics.auc is None else f"{metrics.auc:.3f}"
        ratio = metrics.predicted_to_observed
        table.add_row(
            name,
            f"{metrics.log_loss:.4f}",
            f"{metrics.skill:+.1%}",
            auc,
            "" if ratio is None else f"{ratio:.2f}",
        )
    return table


def print_backtest(test: "Backtest") -> None:
    """The metrics of each period, then over all of them beside the alternatives."""
    columns = (
        "trained on",
        "on wins",
        "leads",
        "won",
        "skill",
        "95% CI",
        "scorecard",
        "predicted/observed",
        "95% CI",
        "slope",
        "lift",
    )
    table = Table(
        *columns,
        box=None,
        title="Models trained on each day, evaluated on the leads that came next",
        title_justify="left",
    )
    for period in test.periods:
        measured = period.measured()
        spread = period.intervals
        lift = period.lift()
        model = measured["model"]
        rules = measured["rules"]
        low, high = spread.get("observed_to_expected", (0.0, 0.0))
        ratio = "" if model.predicted_to_observed is None else f"{model.predicted_to_observed:.2f}"
        table.add_row(
            f"{period.start:%Y-%m-%d}",
            f"{period.wins:,}",
            f"{period.evaluated:,}",
            f"{period.won:,}",
            f"{model.skill:+.0%}",
            "{:+.0%} to {:+.0%}".format(*spread["skill"]),
            f"{rules.skill:+.0%}",
            ratio,
            f"{1 / high:.2f} to {1 / low:.2f}" if low > 0 else "",
            "" if model.slope is None else f"{model.slope:.2f}",
            f"{lift['model']:.2f}" if lift else "",
        )
    out.print(table)
    out.print("")
    measured = test.measured()
    size = f"{measured['model'].leads:,} leads, {measured['model'].wins:,} of them won"
    out.print(_metrics_table(measured, f"All periods together: {size}"))
    for other in test.others:
        out.print(_compared(other, test.compared(other)))
    for note in test.notes:
        out.print(f"Note: {note}")


def _compared(other: str, reduction: "Difference") -> str:
    significant = reduction.low > 0 or reduction.high < 0
    how = "significantly" if significant else "not significantly"
    better = "better" if reduction.mean > 0 else "worse"
    name = "scorecard" if other == "rules" else other
    return (
        f"The model was {how} {better} than the {name}: log-loss difference"
        f" {-reduction.mean:+.4f} (95% CI {-reduction.high:+.4f} to {-reduction.low:+.4f})."
    )


def print_check(data: "Dataset", found: "Check") -> None:
    """Findings in the data, excluded columns and why, and whether there is enough history."""
    out.print("Data")
    for text in [*data.notes, *(finding.text for finding in found.quality)] or ["No findings."]:
        out.print(f"  {text}")
    odd = [column for column in found.columns if column.verdict != "ok" or column.overruled]
    out.print(
        f"\nLeakage: {len(found.columns) - len(odd)} of {len(found.columns)} columns passed the"
        " leakage checks"
    )
    for column in odd:
        verdict = f"{column.verdict}, excluded"
        if column.overruled:
            verdict = "used, because the definition says so"
        evidence = list(dict.fromkeys((column.evidence[0], column.evidence[-1])))
        if column.verdict == "untracked":
            evidence = evidence[:1]
        out.print(f"  {column.name}: {verdict}. {' '.join(evidence)}")
    if any(column.verdict == "untracked" for column in odd):
        out.print(
            "  If an untracked column is known when a lead is created and never changes after, list"
            " it under columns.fixed."
        )
    if any(column.verdict in ("suspect", "quarantined") for column in odd):
        out.print(
            "  If one of them is known before the outcome, list it under columns.fixed (suspect) or"
            " columns.trusted (quarantined)."
        )
    out.print("\nReadiness")
    for text in found.readiness.messages:
        out.print(f"  {text}")
    for point in found.curve:
        out.print(
            f"  Learning curve: trained on {point.leads:,} leads ({point.wins:,} wins), skill"
            f" {point.skill:+.1%} out of sample."
        )
    ready = "Ready" if found.readiness.ready else "Not ready"
    out.print(f"\n{ready} by the published minimum sample size.")


def print_scores(table: "DataFrame", model: "Model", output: str) -> None:
    """How many leads were scored by which model, where the table is, and the count of each
    decision."""
    name = f"model version {model.version} ({model.mode})"
    if model.version == "rules":
        name = "the scorecard"
    out.print(f"{int(table['error'].isna().sum()):,} leads scored by {name}, written to {output}")
    if model.mode == "rules":
        out.print(f"The scorecard is used: {model.why}.")
    if model.card_.get("doubt"):
        out.print(f"Note: {model.card_['doubt']}")
    for decision, count in table["decision"].value_counts().items():
        out.print(f"  {decision:<8} {count:>8,}")
    if "changed_by" in table:
        compared = int(table["changed_by"].notna().sum())
        out.print(f"{compared:,} of them have an earlier score; changed_by says what moved it.")


def print_faults(table: "DataFrame", unwritten: "Sequence[str]", output: str) -> bool:
    """Which rows of a table of scores could not be scored or written, on standard error; whether
    there are none."""
    for sentence in unwritten:
        err.print(sentence)
    faults = int(table["error"].notna().sum())
    if faults:
        err.print(
            f"{faults:,} of {len(table):,} rows could not be scored; see the column error of"
            f" {output}."
        )
    return not (faults or unwritten)


def print_accounts(table: "DataFrame", output: str) -> None:
    """How many accounts have open leads, where their table is, and the best of them."""
    out.print(f"{counted(len(table), 'account')} with open leads, written to {output}")
    shown = Table("account", "open leads", "P(any won)", "best lead", "won", "lost", box=None)
    for account in table.head(10).to_dict("records"):
        shown.add_row(
            escape(str(account["account"])),
            str(account["open_leads"]),
            f"{account['probability']:.0%}",
            f"{escape(str(account['best_lead_id']))} ({account['best_probability']:.0%})",
            str(account["won_leads"]),
            str(account["lost_leads"]),
        )
    if len(table):
        out.print(shown)


def print_best(scores: Path) -> None:
    """The best leads of a table of scores, with the reasons."""
    import pandas as pd

    best = pd.read_csv(scores).nlargest(5, "probability")
    columns = ("lead", "probability", "80% interval", "grade", "decision", "strongest reason")
    table = Table(*columns, box=None)
    for lead in best.to_dict("records"):
        interval = percent_range(float(lead["low"]), float(lead["high"]))
        reason = str(lead["reasons"]).split("; ")[0]
        table.add_row(
            str(lead["lead_id"]),
            f"{lead['probability']:.0%}",
            interval,
            str(lead["grade"]),
            str(lead["decision"]),
            reason,
        )
    out.print("\nTop open leads:")
    out.print(table)


def print_promotions(found: "Sequence[Promotion]", store: Path) -> None:
    """Every change of a store's champion, the oldest first."""
    if not found:
        out.print(f"{store}: no model has been champion yet. `winnable train` makes the first.")
        return
    table = Table("when (UTC)", "champion", "replaced", "how", "by", "because", box=None)
    for promotion in found:
        table.add_row(
            _minute(promotion.at),
            str(promotion.version),
            str(promotion.before or ""),
            promotion.kind,
            promotion.by,
            promotion.because,
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
        "type",
        "leads",
        "wins",
        "evaluated on",
        "won",
        "log loss",
        "skill",
        "AUC",
        box=None,
    )
    counts = ("leads", "wins", "evaluated_rows", "evaluated_wins")
    for version in versions:
        tags = version.tags
        table.add_row(
            str(version.version),
            version.standing,
            _minute(version.made),
            tags.get("known_until", "")[:10],
            tags.get("mode", ""),
            *(f"{int(tags[name]):,}" if name in tags else "" for name in counts),
            tags.get("log_loss", "")[:6],
            f"{float(tags['skill']):+.1%}" if "skill" in tags else "",
            tags.get("auc", "")[:5],
        )
    out.print(table)
    out.print(
        "Each was evaluated on so many rows of the latest leads of its own day; `winnable train`"
        " compares a new model with the champion on the same leads."
    )
    for version in versions:
        if version.standing and "doubt" in version.tags:
            out.print(f"Version {version.version}: {version.tags['doubt']}")


def _minute(moment: str) -> str:
    return moment[:16].replace("T", " ")
