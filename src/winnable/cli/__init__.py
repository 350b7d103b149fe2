"""The command line: each command parses its words, calls one function and prints what it returned.

Exit status 0 when all went well, 1 for input that cannot be used (a sentence on standard error says
what, where and what to do), 2 for words that the command does not know, 3 for a check that finds
too little and, with --strict, for data that look wrong. There is no logic here, the words are in
`output`, and nothing heavy is imported before it is needed. Here are the commands from a history to
answers; the others stand in the modules beside this one.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from winnable.cli.definition import app as definition_commands
from winnable.cli.feedback import app as feedback_commands
from winnable.cli.history import app as history_commands
from winnable.cli.keys import app as keys_commands
from winnable.cli.models import app as model_commands
from winnable.cli.operations import app as operation_commands
from winnable.cli.options import (
    Activities,
    DefinitionFile,
    History,
    Leads,
    Quiet,
    Rules,
    Store,
    Strict,
    read,
    reads_exports,
)
from winnable.cli.output import (
    err,
    out,
    print_accounts,
    print_alarms,
    print_backtest,
    print_best,
    print_faults,
    print_reading,
    print_scores,
    print_training,
    progress_bars,
)
from winnable.cli.sign_in import app as sign_in_commands
from winnable.core.text import shortened
from winnable.data.ingestion.sources.options import ReadOptions
from winnable.errors import StoreError, WinnableError

SINCE = "--since"
MAX_ERROR_CHARACTERS = 2_000
"""No error fills more than a screen, whatever the names in an export are."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

app.add_typer(definition_commands)
app.add_typer(history_commands)
app.add_typer(model_commands)
app.add_typer(operation_commands)
app.add_typer(feedback_commands, name="feedback")
app.add_typer(keys_commands, name="keys")
app.add_typer(sign_in_commands, name="sign-in")


@app.callback()
def winnable() -> None:
    """Which leads are winnable: the probability that a lead becomes Closed Won, learned from your
    own history."""


@app.command(
    epilog=(
        "Example: winnable train leads.csv --activities activities.csv --definition definition.toml"
    )
)
@reads_exports
def train(
    leads: Leads,
    activities: Activities = None,
    history: History = None,
    definition: DefinitionFile = Path("definition.toml"),
    store: Store = Path("models"),
    seed: Annotated[int, typer.Option(help="The same seed and data give the same model.")] = 0,
    report: Annotated[
        Path | None,
        typer.Option(
            help=("Where to write the report, one HTML page to send; by default in the store.")
        ),
    ] = None,
    through_time: Annotated[
        bool,
        typer.Option(
            "--backtest",
            help="Also run `winnable backtest --quick` for the report: some minutes more.",
        ),
    ] = False,
    strict: Strict = False,
    quiet: Quiet = False,
    *,
    options: ReadOptions,
) -> None:
    """Train on the history, evaluate, register, and promote a model that is better."""
    from winnable import interface

    out.quiet = quiet
    interface.check_store(store)
    data = read(definition, leads, activities, history, options=options)
    print_reading(data, store / "rejects.csv")
    wrong = interface.alarms(data)
    print_alarms(wrong)
    with progress_bars() as progress:
        model = interface.train(
            data,
            store=store,
            seed=seed,
            through_time=through_time,
            tell=out.print,
            progress=progress,
        )
    print_training(model)
    if model.backtest_ is not None:
        out.print("")
        print_backtest(model.backtest_)
    page = report or store / "reports" / f"version-{model.version}.html"
    interface.write_report(model, page)
    out.print(f"\nThe report is in {page}.")
    if strict and (wrong or (model.verdict_ is not None and model.verdict_.instead)):
        raise typer.Exit(3)


@app.command(
    epilog="Example: winnable score new_leads.csv --activities activities.csv --output scores.csv"
)
@reads_exports
def score(
    leads: Leads,
    output: Annotated[
        str,
        typer.Option(
            help="Where to write the scores: a .csv, .parquet or .ndjson file, - for standard"
            " output, or a database URL with #table."
        ),
    ],
    activities: Activities = None,
    history: History = None,
    store: Store = Path("models"),
    as_of: Annotated[
        str | None,
        typer.Option(help="A date, or a column of dates; by default just after the newest record."),
    ] = None,
    definition: Rules = None,
    reasons: Annotated[
        bool, typer.Option(help="Give reasons; without them scoring is three times as fast.")
    ] = True,
    inbox: Annotated[
        bool, typer.Option("--inbox", help="Also show the open leads in the sales inbox.")
    ] = False,
    keep_history: Annotated[
        bool,
        typer.Option(
            "--keep-history",
            help="In a database keep the scores of earlier moments, instead of a lead's last.",
        ),
    ] = False,
    since: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"],
            help="Also say why scores differ from those that the store kept by then (UTC).",
        ),
    ] = None,
    by: Annotated[
        Literal["account"] | None,
        typer.Option(help="account: a table of accounts instead, with their open leads."),
    ] = None,
    quiet: Quiet = False,
    *,
    options: ReadOptions,
) -> None:
    """Score every row of an export, in order; a row that cannot be scored says why."""
    from winnable import interface

    if keep_history and (by or "://" not in output):
        raise typer.BadParameter("it is for scores in a database", param_hint="--keep-history")
    place, keys = interface.place_of_scores(
        output,
        (leads, activities, history),
        accounts=by is not None,
        keep_history=keep_history,
    )
    out.quiet = quiet or place.is_stdout
    model = interface.load(store, rules=definition)
    data = model.read(leads, activities, history, options=options)
    print_reading(data, place.beside(".rejects.csv"))
    if by is not None:
        if inbox:
            raise typer.BadParameter("the inbox shows leads, not accounts", param_hint="--inbox")
        if since is not None:
            raise typer.BadParameter("scores of leads are kept, not of accounts", param_hint=SINCE)
        with progress_bars() as progress:
            accounts = interface.score_accounts(model, data, as_of=as_of, progress=progress)
        _remember(store, place.kept_at)
        interface.save_table(accounts, place)
        print_accounts(accounts, place.shown)
        return
    if since is not None and not reasons:
        raise typer.BadParameter("a change is told by reasons", param_hint=SINCE)
    kept = None if since is None else interface.KeptScores(store, since.replace(tzinfo=UTC))
    published = interface.Inbox(store, place) if inbox else None
    if published is None:
        _remember(store, place.kept_at)
    with progress_bars() as progress:
        table = interface.score(
            model,
            data,
            as_of=as_of,
            reasons=reasons,
            inbox=published,
            kept=kept,
            progress=progress,
        )
    unwritten = interface.save_table(table, place, keys)
    print_scores(table, model, place.shown)
    if not print_faults(table, unwritten, place.shown):
        raise typer.Exit(1)


def _remember(store: Path, kept_at: Path | str | None) -> None:
    """Note where the scores are; a store that cannot be written scores all the same."""
    from winnable import interface

    if kept_at is None:
        return
    try:
        interface.remember_output(store, kept_at)
    except StoreError as error:
        err.print(f"{kept_at} will not be cleared when a person is erased: {error}")


@app.command(epilog="Example: winnable serve --store models --port 8000 --workers 2")
def serve(
    store: Store = Path("models"),
    definition: Rules = None,
    host: Annotated[
        str, typer.Option(help="Without keys the service answers on this machine only (127.0.0.1).")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option()] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes; about one per core.")] = 1,
) -> None:
    """Serve scores over HTTP (/docs) and the sales inbox (/)."""
    from winnable.service.server import run

    message = (
        f"Serving {store} on http://{host}:{port} (inbox: /, documentation: /docs). Press Ctrl-C to"
        " stop."
    )
    run(store, definition, host, port, workers, lambda: out.print(message))


@app.command(epilog="Example: winnable demo --leads 200")
def demo(
    leads: Annotated[
        int, typer.Option(min=20, help="How many leads the company had in two years.")
    ] = 3000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same company.")] = 7,
    months: Annotated[
        int,
        typer.Option(
            min=24, help="How long its history is; with 27, its export of three months later."
        ),
    ] = 24,
    store: Store = Path("models"),
    quiet: Quiet = False,
) -> None:
    """Generate a demo company's CRM, train on it, score its open leads, and say what to do next."""
    from winnable.demo.company import write_demo

    out.quiet = quiet
    files = write_demo(store / "demo", leads=leads, seed=seed, months=months)
    out.print(
        f"Wrote a demo company's CRM of {months} months to {store / 'demo'}: leads, activities,"
        " field history and its definition.\n"
    )
    train(
        str(files.leads),
        str(files.activities),
        str(files.history),
        files.definition,
        store,
        quiet=quiet,
    )
    out.print("")
    scores = store / "demo" / "scores.csv"
    score(
        str(files.open_leads),
        str(scores),
        str(files.activities),
        str(files.history),
        store,
        inbox=True,
        quiet=quiet,
    )
    print_best(scores)
    out.print(f"\nServe it:  winnable serve --store {store}      (then open http://127.0.0.1:8000)")


def main() -> None:
    """The entry point: errors that a user can mend are one sentence, without a traceback."""
    try:
        app()
    except WinnableError as error:
        err.print(f"Error: {shortened(str(error), MAX_ERROR_CHARACTERS)}")
        sys.exit(1)
