"""The commands under `winnable keys`: thin, like those of `cli`, of which they are a part."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from winnable.cli.options import Store
from winnable.cli.output import err, out
from winnable.core.text import counted

app = typer.Typer(
    no_args_is_help=True,
    help="Keys of the service: add, list, withdraw, off. It follows without a restart.",
)

_NO_KEY_LEFT = (
    "No key is left, and one is asked for: nobody is let in. `winnable keys add` makes one,"
    " `winnable keys off` asks for none on this machine."
)


@app.command("add", epilog="Example: winnable keys add --role score --note 'the website'")
def add(
    role: Annotated[str, typer.Option(help="score, feedback or admin (which may do all).")],
    note: Annotated[str, typer.Option(help="Who uses it.")] = "",
    expires: Annotated[
        str | None,
        typer.Option(help="When it ends: 90d, or 2027-03-31 (with the end of that day, UTC)."),
    ] = None,
    store: Store = Path("models"),
) -> None:
    """Create a key and print it once; the store keeps only its hash."""
    from winnable import interface
    from winnable.service.http.keys import ROLES, add_key, read_expiry

    known = {name: name for name in ROLES}
    if role not in known:
        raise typer.BadParameter(f"{role}: the roles are {', '.join(ROLES)}", param_hint="--role")
    try:
        end = None if expires is None else read_expiry(expires, datetime.now(UTC))
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{expires}: expected days such as 90d, or a date to come such as 2027-03-31",
            param_hint="--expires",
        ) from None
    key, secret = add_key(store, known[role], note, end)
    interface.record_action(store, "added a key", key.name, key.role)
    until = f", until {key.expires}" if key.expires else ""
    err.print(f"Key {key.name} ({key.role}{until}). Save it now; it won't be shown again.")
    out.print(secret)


@app.command("list", epilog="Example: winnable keys list")
def list_keys(store: Store = Path("models")) -> None:
    """The keys of a store: names, roles, when they end and were last used, and notes."""
    from winnable.service.http.guards.key_usage import last_uses
    from winnable.service.http.keys import TIME, has_expired, keys_were_used, read_keys

    keys = read_keys(store)
    if keys_were_used(store) and not keys:
        err.print(_NO_KEY_LEFT)
    used = last_uses(store)
    now = datetime.now(UTC).strftime(TIME)
    table = Table("name", "role", "added", "expires", "last used", "note", box=None)
    for key in keys:
        expires = f"{key.expires} (over)" if has_expired(key, now) else key.expires
        table.add_row(key.name, key.role, key.added, expires, used.get(key.name, ""), key.note)
    out.print(table)


@app.command("withdraw", epilog="Example: winnable keys withdraw 1f2e3d4c")
def withdraw(
    name: Annotated[str, typer.Argument(help="As `winnable keys list` shows it.")],
    store: Store = Path("models"),
) -> None:
    """Withdraw a key; it stops working within a second or two."""
    from winnable import interface
    from winnable.service.http.keys import read_keys, withdraw_key

    withdraw_key(store, name)
    interface.record_action(store, "withdrew a key", name)
    out.print(f"Key {name} is withdrawn.")
    if not read_keys(store):
        err.print(_NO_KEY_LEFT)


@app.command("off", epilog="Example: winnable keys off")
def off(store: Store = Path("models")) -> None:
    """Withdraw all keys and ask nobody for one: the service answers its own machine only."""
    from winnable import interface
    from winnable.service.http.keys import turn_off

    withdrawn = turn_off(store)
    interface.record_action(store, "turned keys off")
    out.print(
        f"Keys are off ({counted(withdrawn, 'key')} withdrawn): whoever is on the service's machine"
        " needs none, and nobody else is answered."
    )
