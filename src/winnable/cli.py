"""The command line: each command parses its words, calls one function and prints what it returned.

Exit status 0 when all went well, 1 for input that cannot be used (a sentence on standard error says what, where and what to do),
2 for words that the command does not know, 3 for a check that finds too little. There is no logic here, the words are in
`telling`, and nothing heavy is imported before it is needed.
"""

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from winnable.cli_feedback import app as feedback_commands
from winnable.cli_keys import app as keys_commands
from winnable.cli_models import app as model_commands
from winnable.errors import WinnableError
from winnable.telling import (
    err,
    out,
    progress_bars,
    tell_backtest,
    tell_best,
    tell_check,
    tell_funnel,
    tell_reading,
    tell_suggestions,
    tell_training,
    who,
)

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)

Leads = Annotated[str, typer.Argument(help="A CSV or Parquet file, a folder of them, or a database URL with #table.")]
Activities = Annotated[str | None, typer.Option(help="The activity log: a file, folder or database URL.")]
History = Annotated[str | None, typer.Option(help="The field history: a file, folder or database URL.")]
DefinitionFile = Annotated[Path, typer.Option("--definition", help="The shared definition.")]
Store = Annotated[Path, typer.Option(help="The folder of models and labels.")]
Labels = Annotated[Path, typer.Option("--store", help="The folder of labels: what sales told there counts, where there is any.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]


@app.callback()
def winnable() -> None:
    """Which leads are winnable: the probability that a lead becomes Closed Won, learned from your own history."""


@app.command(epilog="Example: winnable train leads.csv --activities activities.csv --definition definition.toml")
def train(
    leads: Leads,
    activities: Activities = None,
    history: History = None,
    definition: DefinitionFile = Path("definition.toml"),
    store: Store = Path("models"),
    seed: Annotated[int, typer.Option(help="The same seed and data give the same model.")] = 0,
    report: Annotated[
        Path | None, typer.Option(help="Where to write what was found, as one HTML page to send; in the store if not given.")
    ] = None,
    through_time: Annotated[
        bool, typer.Option("--backtest", help="Also `winnable backtest --quick`, for the report and the run: some minutes more.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Learn from the history, compare, register the model and make it champion if it deserves to be."""
    from winnable.definition.load import load_definition
    from winnable.history.crm import read_crm
    from winnable.learning.backtest import backtest as run_backtest
    from winnable.learning.hearing import hear
    from winnable.learning.promotion import register
    from winnable.learning.registry import Registry, check_writable
    from winnable.learning.training import learn

    out.quiet, began = quiet, time.time()
    agreed = load_definition(definition)
    check_writable(store)
    crm = read_crm(agreed, leads, activities, history)
    tell_reading(crm, store / "rejects.csv")
    Registry(store).connect()
    heard = hear(agreed, crm, store)
    for says in heard.told():
        out.print(says)
    with progress_bars() as progress:
        tested = (
            run_backtest(agreed, heard.crm, seed=seed, quick=True, tell=out.print, progress=progress) if through_time else None
        )
        candidate = learn(agreed, heard.crm, seed=seed, tell=out.print, feedback=heard.to_json(), progress=progress)
        verdict = register(candidate, heard.crm, store, tested=tested, began=began, progress=progress)
    tell_training(candidate, verdict)
    if tested is not None:
        out.print("")
        tell_backtest(tested)
    page = report or store / "reports" / f"version-{verdict.version}.html"
    verdict.report.write(page, verdict.told)
    out.print(f"\nThe report is in {page}.")


@app.command(epilog="Example: winnable score new_leads.csv --activities activities.csv --output scores.csv")
def score(
    leads: Leads,
    output: Annotated[Path, typer.Option(help="Where to write the scores, as CSV.")],
    activities: Activities = None,
    history: History = None,
    store: Store = Path("models"),
    as_of: Annotated[
        str | None, typer.Option(help="A date, or a column with a date a lead; the export's newest time if not given.")
    ] = None,
    definition: Annotated[Path | None, typer.Option(help="Rules to answer by while the store has no champion.")] = None,
    reasons: Annotated[bool, typer.Option(help="Whether to give reasons; without them it is three times as quick.")] = True,
    inbox: Annotated[bool, typer.Option("--inbox", help="Also show the open leads in the inbox of sales.")] = False,
    quiet: Quiet = False,
) -> None:
    """Score every row of an export, in its order; a row that cannot be scored says why."""
    from winnable.learning.batch import check_output, moments_of_scoring, read_to_score, score_table, write_table
    from winnable.learning.predictor import Predictor

    out.quiet = quiet
    check_output(output, (leads, activities, history))
    predictor = Predictor.of_store(store, definition)
    crm = read_to_score(predictor, leads, activities, history)
    tell_reading(crm, output.with_suffix(".rejects.csv"))
    moments = moments_of_scoring(crm, as_of)
    if inbox:
        from winnable.learning.inbox import score_for_sales

        table = score_for_sales(predictor, crm, moments, store, output, reasons=reasons)
    else:
        with progress_bars() as progress:
            table = score_table(predictor, crm, moments, reasons=reasons, progress=progress)
    write_table(table, output)
    faults = int(table["error"].notna().sum())
    out.print(f"{len(table) - faults:,} leads scored by {who(predictor.mode, predictor.version)}, written to {output}")
    if predictor.mode == "rules":
        out.print(f"By the rules, because {predictor.why}.")
    for decision, count in table["decision"].value_counts().items():
        out.print(f"  {decision:<8} {count:>8,}")
    if faults:
        err.print(f"{faults:,} of {len(table):,} rows could not be scored; the column `error` of {output} says why.")
        raise typer.Exit(1)


@app.command(epilog="Example: winnable serve --store models --port 8000 --workers 2")
def serve(
    store: Store = Path("models"),
    definition: Annotated[Path | None, typer.Option(help="Rules to answer by while the store has no champion.")] = None,
    host: Annotated[str, typer.Option(help="Without keys the service answers on this machine only.")] = "127.0.0.1",
    port: Annotated[int, typer.Option()] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes; about one a core.")] = 1,
) -> None:
    """Answer requests for scores over HTTP; see /docs there."""
    from winnable.service.server import run

    told = f"Serving {store} on http://{host}:{port} (leads: /, documentation: /docs). Ctrl-C stops it."
    run(store, definition, host, port, workers, lambda: out.print(told))


@app.command(epilog="Example: winnable demo --leads 200")
def demo(
    leads: Annotated[int, typer.Option(min=20, help="How many leads the company had in two years.")] = 3000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same company.")] = 7,
    months: Annotated[int, typer.Option(min=24, help="How long its history is; with 27, its export of three months later.")] = 24,
    store: Store = Path("models"),
    quiet: Quiet = False,
) -> None:
    """Make a company's CRM, learn from it, score its open leads, and say what to do next."""
    from winnable.demo.company import write_demo

    out.quiet = quiet
    files = write_demo(store / "demo", leads=leads, seed=seed, months=months)
    out.print(
        f"A company's CRM of {months} months lies in {store / 'demo'}: leads, activities, field history and its definition.\n"
    )
    train(str(files.leads), str(files.activities), str(files.history), files.definition, store, quiet=quiet)
    out.print("")
    scores = store / "demo" / "scores.csv"
    score(str(files.open_leads), scores, str(files.activities), str(files.history), store, inbox=True, quiet=quiet)
    tell_best(scores)
    out.print(f"\nServe it:  winnable serve --store {store}      (then open http://127.0.0.1:8000)")


@app.command(epilog="Example: winnable init leads.csv --activities activities.csv")
def init(
    leads: Leads,
    activities: Activities = None,
    history: History = None,
    output: Annotated[Path, typer.Option(help="Where to write the definition.")] = Path("definition.toml"),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    quiet: Quiet = False,
) -> None:
    """Guess a first definition from the columns of an export, each guess with its reason."""
    from winnable.history.draft import draft, write_draft
    from winnable.history.guessing import guess

    out.quiet = quiet
    guesses = guess(leads, activities, history)
    write_draft(draft(guesses), output, force=force)
    status, vendor = guesses.outcome.status, f", an export of {guesses.vendor.name}" if guesses.vendor else ""
    won, lost = int(guesses.won.sum()), int(guesses.lost.sum())
    out.print(f"{len(guesses.leads):,} leads{vendor}: {won:,} won and {lost:,} lost by '{status.column}'.")
    out.print(f"{output} is written, each guess with its reason. Read it, correct what is wrong, then:")
    given = [("--activities", activities), ("--history", history), ("--definition", str(output))]
    more = "".join(f" {option} {value}" for option, value in given if value is not None and value != "definition.toml")
    out.print(f"  winnable train {leads}{more}")


@app.command(epilog="Example: winnable funnel leads.csv --history history.csv --by month --plot funnel.png")
def funnel(
    leads: Leads,
    activities: Activities = None,
    history: History = None,
    definition: DefinitionFile = Path("definition.toml"),
    by: Annotated[Literal["source", "month"], typer.Option(help="What to compare.")] = "source",
    output: Annotated[Path | None, typer.Option(help="Write the tables as one CSV.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the funnel: a .png, .svg or .pdf file.")] = None,
    quiet: Quiet = False,
) -> None:
    """Show how many leads get from stage to stage, and what each source or month converts."""
    from winnable.definition.load import load_definition
    from winnable.history.crm import latest_moment, read_crm
    from winnable.history.funnel import funnel as funnel_of
    from winnable.history.funnel import funnel_table
    from winnable.history.funnel_plot import save_plot
    from winnable.learning.batch import write_table

    out.quiet = quiet
    agreed = load_definition(definition)
    crm = read_crm(agreed, leads, activities, history)
    report = funnel_of(agreed, crm, latest_moment(crm), by)
    tell_funnel(report)
    if output is not None:
        write_table(funnel_table(report), output)
        out.print(f"Written to {output}.")
    if plot is not None:
        save_plot(report, plot)
        out.print(f"Drawn in {plot}.")


app.add_typer(feedback_commands, name="feedback")
app.add_typer(keys_commands, name="keys")
app.add_typer(model_commands)


@app.command(epilog="Example: winnable check leads.csv --activities activities.csv --definition definition.toml")
def check(
    leads: Leads,
    activities: Activities = None,
    history: History = None,
    definition: DefinitionFile = Path("definition.toml"),
    curve: Annotated[bool, typer.Option("--curve", help="Also learn from parts of the data: would more of them help?")] = False,
    plot: Annotated[Path | None, typer.Option(help="Where to draw how far it is to enough history (PNG or SVG).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer for machines.")] = False,
    store: Labels = Path("models"),
) -> None:
    """Can the data be trusted, and is there enough of them? Exit status 0 if ready, 3 if not."""
    from winnable.definition.load import load_definition
    from winnable.history.crm import read_crm
    from winnable.learning.checking import check as check_data
    from winnable.learning.hearing import hear
    from winnable.learning.plots import save_plot
    from winnable.learning.readiness import readiness_plot

    agreed = load_definition(definition)
    crm = hear(agreed, read_crm(agreed, leads, activities, history), store).crm
    with progress_bars() as progress:
        found = check_data(agreed, crm, curve=curve, progress=progress)
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=2, ensure_ascii=False))
    else:
        tell_check(crm, found)
    if plot is not None:
        save_plot(readiness_plot(found.readiness, found.curve), plot)
    raise typer.Exit(0 if found.readiness.ready else 3)


@app.command(epilog="Example: winnable backtest leads.csv --activities activities.csv --history history.csv --plot backtest.png")
def backtest(
    leads: Leads,
    activities: Activities = None,
    history: History = None,
    definition: DefinitionFile = Path("definition.toml"),
    periods: Annotated[int | None, typer.Option(min=1, help="So many periods of equal length, instead of months.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fit without symmetric trees, in a third of the time.")] = False,
    output: Annotated[Path | None, typer.Option(help="Write every measure of every period as CSV.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw it through time: a .png, .svg or .pdf file.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed and data give the same models.")] = 0,
    store: Labels = Path("models"),
    quiet: Quiet = False,
) -> None:
    """Train and test again and again through time, each time with what was known then."""
    from winnable.definition.load import load_definition
    from winnable.history.crm import read_crm
    from winnable.learning.backtest import backtest as run_backtest
    from winnable.learning.batch import check_output, write_table
    from winnable.learning.hearing import hear
    from winnable.learning.plots import backtest_plot, save_plot

    out.quiet = quiet
    for path in filter(None, (output, plot)):
        check_output(path, (leads, activities, history))
    agreed = load_definition(definition)
    crm = hear(agreed, read_crm(agreed, leads, activities, history), store).crm
    with progress_bars() as progress:
        test = run_backtest(agreed, crm, periods=periods, seed=seed, quick=quick, tell=out.print, progress=progress)
    tell_backtest(test)
    if output is not None:
        write_table(test.table(), output)
        out.print(f"Written to {output}.")
    if plot is not None:
        save_plot(backtest_plot(test), plot)
        out.print(f"Drawn in {plot}.")


@app.command(epilog="Example: winnable reassess leads.csv --activities activities.csv --history history.csv --output month.html")
def reassess(
    leads: Leads,
    activities: Activities = None,
    history: History = None,
    store: Store = Path("models"),
    since: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], help="Judge a model learned in the same way from what was known on this day, instead."
        ),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Write the page here: a .html or .md file.")] = None,
    quiet: Quiet = False,
) -> None:
    """Is the model in charge still right? Keep, recalibrate or retrain, what changed, and what doing nothing costs."""
    from winnable.definition.document import check_page, write_page
    from winnable.history.crm import read_crm
    from winnable.learning.batch import check_output
    from winnable.learning.monthly import page, summary
    from winnable.learning.predictor import Predictor
    from winnable.learning.reassessment import reassess as reassess_model

    out.quiet = quiet
    if output is not None:
        check_page(output)
        check_output(output, (leads, activities, history))
    predictor = Predictor.of_store(store)
    crm = read_crm(predictor.definition, leads, activities, history)
    with progress_bars() as progress:
        found = reassess_model(crm, predictor, since=since and since.replace(tzinfo=UTC), tell=out.print, progress=progress)
    out.print("\n" + "\n".join(summary(found)))
    if output is not None:
        write_page(page(found), output)
        out.print(f"Written to {output}.")


@app.command(epilog="Example: winnable suggest leads.csv --activities activities.csv --output rules.toml")
def suggest(
    leads: Leads,
    activities: Activities = None,
    history: History = None,
    definition: DefinitionFile = Path("definition.toml"),
    output: Annotated[Path | None, typer.Option(help="Write the rules as TOML here instead of printing them.")] = None,
    store: Store = Path("models"),
    quiet: Quiet = False,
) -> None:
    """Propose rules with points from what won deals looked like as leads, each with its evidence."""
    from winnable.definition.load import load_definition
    from winnable.history.crm import read_crm
    from winnable.learning.hearing import hear
    from winnable.learning.proposal import proposal, refusal_lines, write_proposal
    from winnable.learning.rejections import refused
    from winnable.learning.suggestions import suggest as suggestions_of

    out.quiet = quiet
    agreed = load_definition(definition)
    heard = hear(agreed, read_crm(agreed, leads, activities, history), store)
    found = suggestions_of(agreed, heard.crm)
    text = proposal(agreed, found)
    tell_suggestions(found)
    if text and output is not None:
        write_proposal(text, output)
        out.print(f"\nWritten to {output}; paste into {definition} what makes sense to both teams.")
    elif text:
        out.print(f"\nTo paste into {definition}, as far as it makes sense to both teams:\n\n{text}")
    for line in refusal_lines(refused(agreed, heard.crm, heard.merged.opinions)):
        out.print(line)


@app.command(epilog="Example: winnable describe --output definition.html")
def describe(
    leads: Annotated[str | None, typer.Argument(help="Hold the definition against these leads, too.")] = None,
    activities: Activities = None,
    history: History = None,
    definition: DefinitionFile = Path("definition.toml"),
    against: Annotated[Path | None, typer.Option(help="An older version: show what changed since.")] = None,
    output: Annotated[Path | None, typer.Option(help="Write the page here: a .html or .md file.")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of definition files.")] = False,
) -> None:
    """Print the definition as a page that can be forwarded, or what changed since an older version."""
    from winnable.definition.document import write_page
    from winnable.definition.load import load_definition
    from winnable.definition.page import describe as page_of
    from winnable.definition.page import describe_changes
    from winnable.definition.page import schema as schema_of

    if schema:
        out.print_json(data=schema_of(), highlight=False)
        return
    agreed = load_definition(definition)
    old = None if against is None else load_definition(against)
    if leads is None:
        page = page_of(agreed) if old is None else describe_changes(old, agreed)
    else:
        from winnable.history.crm import read_crm
        from winnable.history.versions import doubts_about, handed_over

        crm = read_crm(agreed, leads, activities, history)
        if old is None:
            page = page_of(agreed, doubts_about(agreed, crm))
        else:
            before = handed_over(old, read_crm(old, leads, activities, history))
            page = describe_changes(old, agreed, (before, handed_over(agreed, crm)))
    if output is None:
        out.print(page.markdown())
    else:
        write_page(page, output)
        out.print(f"Written to {output}.")


def main() -> None:
    """The entry point: errors that a user can mend are told in a sentence, without a traceback."""
    try:
        app()
    except WinnableError as error:
        err.print(f"Error: {error}")
        sys.exit(1)
