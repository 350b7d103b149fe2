"""The commands for whoever runs a store: its audit trail. Thin, like those of `cli`, of which they
are a part."""

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
