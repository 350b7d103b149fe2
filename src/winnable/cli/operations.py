"""The commands for whoever runs a store: backup, restore and audit trail. Thin, like those of
`cli`, of which they are a part."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from winnable.cli.options import Store
from winnable.cli.output import out

app = typer.Typer()


@app.command(epilog="Example: winnable audit --csv audit.csv")
def audit(
    store: Store = Path("models"),
    csv: Annotated[Path | None, typer.Option(help="Write it to this file instead.")] = None,
) -> None:
    """Who labelled, trained, promoted, exported, erased, signed in, or changed keys: from where,
    and when."""
    from winnable import interface

    entries = interface.audit_trail(store)
    if csv is not None:
        interface.write_audit_trail(entries, csv)
        out.print(f"{len(entries):,} entries written to {csv}")
        return
    table = Table("when (UTC)", "who", "key", "from", "did", "what", box=None)
    for entry in entries:
        what = ", ".join(filter(None, (entry.subject, entry.detail)))
        at = f"{entry.at:%Y-%m-%d %H:%M:%S}"
        table.add_row(at, entry.who, entry.key or "", entry.place, entry.action, what)
    out.print(table if entries else "Nothing was done yet.")


@app.command(epilog="Example: winnable backup /backups/2026-06-30.tar --store models")
def backup(
    file: Annotated[Path, typer.Argument(help="The tar file to write, outside of the store.")],
    store: Store = Path("models"),
) -> None:
    """Write models, labels, scores and keys to one file, while the service goes on."""
    from winnable import interface

    made = interface.back_up(store, file)
    out.print(f"{made.files:,} files of {store} ({made.size / 1e6:,.1f} MB) are in {file}.")


@app.command(epilog="Example: winnable restore /backups/2026-06-30.tar --store models")
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `winnable backup` wrote.")],
    store: Store = Path("models"),
) -> None:
    """Check a backup and put it in place; nothing may be there yet."""
    from winnable import interface

    found = interface.restore(file, store)
    out.print(
        f"{found.files:,} files of {found.at:%Y-%m-%d %H:%M} UTC ({found.size / 1e6:,.1f} MB) are"
        f" in {store}."
    )
