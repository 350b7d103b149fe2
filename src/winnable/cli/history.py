"""The commands that look back: what is in the data, how leads moved, what models were worth and
whether the champion still is.

Thin, like those of `cli`, of which they are a part. None of them changes what a store holds.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from winnable.cli.options import (
    Activities,
    DefinitionFile,
    History,
    Json,
    Labels,
    Leads,
    PageFile,
    Quiet,
    Store,
    Strict,
    read,
    read_with_labels,
    reads_exports,
)
from winnable.cli.output import (
    out,
    print_alarms,
    print_backtest,
    print_check,
    print_funnel,
    print_reading,
    progress_bars,
)
from winnable.data.ingestion.sources.options import ReadOptions

if TYPE_CHECKING:
    from pandas import DataFrame

    from winnable.data.analysis.funnel import Funnel
    from winnable.learning.training.backtest import Backtest

app = typer.Typer()


@app.command(
    epilog=(
        "Example: winnable check leads.csv --activities activities.csv --definition definition.toml"
    )
)
@reads_exports
def check(
    leads: Leads,
    activities: Activities = None,
    history: History = None,
    definition: DefinitionFile = Path("definition.toml"),
    curve: Annotated[
        bool,
        typer.Option("--curve", help="Also draw a learning curve: would more data help?"),
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(help="Where to draw how far it is to enough history (PNG or SVG)."),
    ] = None,
    as_json: Json = False,
    store: Labels = Path("models"),
    *,
    options: ReadOptions,
) -> None:
    """Can the data be trusted, and are there enough? Exit status 0 if ready, 3 if not."""
    from winnable import interface

    labels = read_with_labels(definition, leads, activities, history, store, plot, options=options)
    data = labels.data
    with progress_bars() as progress:
        found = interface.check(data, curve=curve, progress=progress)
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=2, ensure_ascii=False))
    else:
        print_check(data, found)
    if plot is not None:
        interface.draw(found, plot)
    raise typer.Exit(0 if found.readiness.ready else 3)


@app.command(
    epilog="Example: winnable funnel leads.csv --history history.csv --by month --plot funnel.png"
)
@reads_exports
def funnel(
    leads: Leads,
    activities: Activities = None,
    history: History = None,
    definition: DefinitionFile = Path("definition.toml"),
    by: Annotated[Literal["source", "month"], typer.Option(help="What to compare.")] = "source",
    output: Annotated[Path | None, typer.Option(help="Write the tables as one CSV.")] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the funnel: a .png, .svg or .pdf file.")
    ] = None,
    quiet: Quiet = False,
    *,
    options: ReadOptions,
) -> None:
    """Show how many leads get from stage to stage, and what each source or month converts."""
    from winnable import interface

    out.quiet = quiet
    data = read(definition, leads, activities, history, output, plot, options=options)
    print_reading(data)
    report = interface.funnel(data, by)
    print_funnel(report)
    _keep(report, lambda: interface.funnel_table(report), output, plot)


@app.command(
    epilog=(
        "Example: winnable backtest leads.csv --activities activities.csv --history history.csv"
        " --plot backtest.png"
    )
)
@reads_exports
def backtest(
    leads: Leads,
    activities: Activities = None,
    history: History = None,
    definition: DefinitionFile = Path("definition.toml"),
    periods: Annotated[
        int | None, typer.Option(min=1, help="So many periods of equal length, instead of months.")
    ] = None,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Fit without CatBoost and with fewer folds, in less time."),
    ] = False,
    output: Annotated[
        Path | None, typer.Option(help="Write every metric of every period as CSV.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Plot the metrics over time: a .png, .svg or .pdf file.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed and data give the same models.")] = 0,
    store: Labels = Path("models"),
    strict: Strict = False,
    quiet: Quiet = False,
    *,
    options: ReadOptions,
) -> None:
    """Train and evaluate at successive points in time, each time on what was known then."""
    from winnable import interface

    out.quiet = quiet
    labels = read_with_labels(
        definition, leads, activities, history, store, output, plot, options=options
    )
    print_reading(labels.data)
    wrong = interface.alarms(labels.data)
    print_alarms(wrong)
    with progress_bars() as progress:
        test = interface.backtest(
            labels.data,
            periods=periods,
            seed=seed,
            quick=quick,
            tell=out.print,
            progress=progress,
        )
    print_backtest(test)
    _keep(test, test.table, output, plot)
    if strict and wrong:
        raise typer.Exit(3)


@app.command(
    epilog=(
        "Example: winnable reassess leads.csv --activities activities.csv --history history.csv"
        " --output month.html"
    )
)
@reads_exports
def reassess(
    leads: Leads,
    activities: Activities = None,
    history: History = None,
    store: Store = Path("models"),
    since: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="Evaluate a model trained in the same way on what was known on this day.",
        ),
    ] = None,
    output: PageFile = None,
    strict: Strict = False,
    quiet: Quiet = False,
    *,
    options: ReadOptions,
) -> None:
    """Is the champion still right? Keep, recalibrate or retrain, what changed, and what
    not retraining costs."""
    from winnable import interface
    from winnable.core.documents import check_page, write_page
    from winnable.core.files import check_output

    out.quiet = quiet
    if output is not None:
        check_page(output)
        check_output(output, (leads, activities, history))
    model = interface.load(store)
    data = interface.read(leads, activities, history, definition=model.definition, options=options)
    print_reading(data)
    wrong = interface.alarms(data)
    print_alarms(wrong)
    with progress_bars() as progress:
        found = interface.reassess(
            model,
            data,
            since=since and since.replace(tzinfo=UTC),
            tell=out.print,
            progress=progress,
        )
    out.print("\n" + interface.reassessment_summary(found))
    if output is not None:
        write_page(interface.reassessment_page(found), output)
        out.print(f"Written to {output}.")
    if strict and wrong:
        raise typer.Exit(3)


def _keep(
    found: "Funnel | Backtest",
    table: "Callable[[], DataFrame]",
    output: Path | None,
    plot: Path | None,
) -> None:
    """Write the table and draw what was found where they were asked for, and say where they are."""
    from winnable import interface

    if output is not None:
        interface.save_table(table(), output)
        out.print(f"Written to {output}.")
    if plot is not None:
        interface.draw(found, plot)
        out.print(f"Drawn in {plot}.")
