"""The commands under `winnable feedback`: thin, like those of `cli`, of which they are a part."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from winnable.cli.options import Store
from winnable.cli.output import err, out
from winnable.core.text import counted
from winnable.errors import StoreError

app = typer.Typer(
    no_args_is_help=True,
    help="Labels of sales: import, export, conflicts; a person's data: show, erase, retain.",
)


@app.command(
    "export", epilog="Example: winnable feedback export --store models --output labels.csv"
)
def export(
    output: Annotated[Path, typer.Option(help="Where to write the labels, as CSV.")],
    store: Store = Path("models"),
) -> None:
    """Write every label as CSV, with the names that POST /feedback takes."""
    from winnable import interface

    out.print(f"{interface.export_labels(store, output):,} labels written to {output}")


@app.command("import", epilog="Example: winnable feedback import labels.csv --store models")
def import_(
    labels: Annotated[
        Path,
        typer.Argument(
            help="A CSV file with the columns lead_id, label and by, and others as exported."
        ),
    ],
    store: Store = Path("models"),
) -> None:
    """Import labels from a CSV file. Importing the same file twice adds nothing."""
    from winnable import interface

    imported = interface.import_labels(store, labels)
    out.print(f"{imported.added:,} labels added, {imported.known:,} were already known.")
    for row, reason in imported.rejects:
        err.print(f"Row {row:,}: {reason}")
    if imported.rejects:
        raise typer.Exit(1)


@app.command(
    "erase", epilog="Example: winnable feedback erase --person ines.petrov@cornewick.example"
)
def erase_person(
    lead: Annotated[str | None, typer.Option(help="The id of one of their leads.")] = None,
    person: Annotated[str | None, typer.Option(help="Their e-mail address.")] = None,
    store: Store = Path("models"),
) -> None:
    """Erase a person: leads, scores and labels, in the exports as well; prints a receipt."""
    from winnable import interface
    from winnable.service.scoring.score_log_worker import keep_left_behind

    keep_left_behind(store)
    receipt = interface.erase(store, lead_id=lead, person=person)
    counts = ", ".join(f"{count:,} {name}" for name, count in receipt.counts.items())
    out.print(
        f"Receipt {receipt.receipt_id}, {receipt.at:%Y-%m-%dT%H:%M:%SZ}: {counts} erased.\nSHA-256"
        f" {receipt.digest}"
    )
    out.print(
        "The CRM and other copies of its exports are yours to clear, or the person comes back with"
        " the next scoring."
    )
    _print_databases(receipt.databases, "person's")
    if receipt.unreached:
        listed = ", ".join(map(str, receipt.unreached))
        raise StoreError(f"{listed}: could not be cleared. Remove the person there by hand.")


def _print_databases(places: Sequence[str], whose: str) -> None:
    """Which tables of databases may have rows that nobody here can delete."""
    if places:
        out.print(
            f"Scores were also written to {', '.join(places)}, for which no password is kept:"
            f" delete the {whose} rows there, if it has any."
        )


@app.command("person", epilog="Example: winnable feedback person ines.petrov@cornewick.example")
def person(
    who: Annotated[str, typer.Argument(help="Their e-mail address, or the id of a lead.")],
    output: Annotated[Path | None, typer.Option(help="Write it to this file instead.")] = None,
    store: Store = Path("models"),
) -> None:
    """Print all that is kept of a person, as JSON: for requests under Article 15 of the GDPR."""
    from winnable import interface
    from winnable.service.scoring.score_log_worker import keep_left_behind

    keep_left_behind(store)
    disclosed = interface.disclose(store, who, output)
    if output is None:
        typer.echo(disclosed)
    else:
        out.print(f"All that is kept of this person is in {output}.")


@app.command("retain", epilog="Example: winnable feedback retain --dry-run")
def retain(
    store: Store = Path("models"),
    definition: Annotated[
        Path | None, typer.Option(help="The definition; that of the champion by default.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
) -> None:
    """Thin old scores and erase leads that were closed long ago, as [retention] of the definition
    says."""
    from winnable import interface

    rule, retained = interface.retain(store, definition, dry_run=dry_run)
    if rule.scores_months is None and rule.leads_months is None:
        out.print("The definition has no [retention]: everything is kept.")
        return
    would = "would be " if dry_run else ""
    out.print(
        f"{counted(retained.scores, 'score')} {would}thinned, {counted(retained.leads, 'lead')}"
        f" {would}erased."
    )
    for receipt in retained.receipts:
        out.print(f"Receipt {receipt.receipt_id}, SHA-256 {receipt.digest}")
    databases = {place for receipt in retained.receipts for place in receipt.databases}
    _print_databases(sorted(databases), "leads'")
    unreached = {str(path) for receipt in retained.receipts for path in receipt.unreached}
    if unreached:
        listed = ", ".join(sorted(unreached))
        raise StoreError(f"{listed}: could not be cleared. Remove the leads there by hand.")


@app.command("conflicts", epilog="Example: winnable feedback conflicts --store models")
def conflicts(store: Store = Path("models")) -> None:
    """List leads on which people disagree. Nothing is decided here: correct a wrong label by adding
    another."""
    from winnable import interface

    found = interface.conflicts(store)
    table = Table("lead", "about", "who says what", box=None)
    for conflict in found:
        said = "; ".join(
            f"{label.by}: {label.label} ({label.moment:%Y-%m-%d})" for label in conflict.labels
        )
        table.add_row(conflict.lead_id, conflict.kind, said)
    out.print(table if found else "No conflicts.")
