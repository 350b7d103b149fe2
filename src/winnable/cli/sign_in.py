"""The commands under `winnable sign-in`: thin, like those of `cli`, of which they are a part."""

import os
import secrets
import sys
from getpass import getpass
from pathlib import Path
from typing import Annotated, cast

import typer
from rich.table import Table

from winnable.cli.options import Store
from winnable.cli.output import err, out
from winnable.errors import StoreError

SECRET = "WINNABLE_OIDC_CLIENT_SECRET"

app = typer.Typer(
    no_args_is_help=True,
    help="Signing in to the pages at the company's identity provider: set, show, off.",
)


@app.command(
    "set",
    epilog=(
        "Example: winnable sign-in set --issuer https://login.example.com/realms/sales --client-id"
        " winnable --address https://leads.example.com --group feedback=sales --group admin=revops"
    ),
)
def set_sign_in(
    issuer: Annotated[str, typer.Option(help="The provider, as it calls itself.")],
    client_id: Annotated[str, typer.Option(help="What the provider calls this service.")],
    address: Annotated[str, typer.Option(help="Where browsers reach this service.")],
    group: Annotated[
        list[str],
        typer.Option(help="ROLE=GROUP: a group of the provider and its role; may be repeated."),
    ],
    groups_claim: Annotated[
        str, typer.Option(help="The claim of the ID token that lists a person's groups.")
    ] = "groups",
    name_claim: Annotated[
        str, typer.Option(help="The claim that answers are kept under, one for each person.")
    ] = "email",
    store: Store = Path("models"),
) -> None:
    """Set the identity provider (OpenID Connect). The client's secret is asked for, or read from
    WINNABLE_OIDC_CLIENT_SECRET; an empty one is none. Everybody who is signed in by a provider has
    to sign in again."""
    from winnable import interface
    from winnable.service.http.keys import Role
    from winnable.service.web.sign_in.configuration import (
        CompanySignIn,
        checked,
        read_sign_in,
        write_sign_in,
    )
    from winnable.service.web.sign_in.provider import IdentityProvider

    roles = [entry.partition("=") for entry in group]
    try:
        setting = checked(
            CompanySignIn(
                issuer,
                client_id,
                _secret(),
                address.rstrip("/"),
                {name: cast(Role, role) for role, _, name in roles},
                groups_claim,
                name_claim,
                secrets.token_hex(8),
            )
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    write_sign_in(store, setting)
    read_sign_in(store)
    interface.record_action(store, "set the sign-in", client_id, issuer)
    out.print(f"Register {setting.redirect_uri} as the redirect URI at the provider.")
    try:
        IdentityProvider(setting).check()
    except StoreError as error:
        err.print(f"It is set, but nobody can sign in yet: {error}")


@app.command("show", epilog="Example: winnable sign-in show")
def show(store: Store = Path("models")) -> None:
    """What is set, without the secret."""
    from winnable.service.web.sign_in.configuration import read_sign_in

    setting = read_sign_in(store)
    if setting is None:
        out.print("Nobody signs in at an identity provider.")
        return
    table = Table(box=None, show_header=False)
    table.add_row("issuer", setting.issuer)
    table.add_row("client", setting.client_id)
    table.add_row("secret", "kept" if setting.client_secret else "none")
    table.add_row("redirect URI", setting.redirect_uri)
    table.add_row("groups in", setting.groups_claim)
    table.add_row("name in", setting.name_claim)
    for name, role in setting.groups.items():
        table.add_row(role, name)
    out.print(table)


@app.command("off", epilog="Example: winnable sign-in off")
def off(store: Store = Path("models")) -> None:
    """Forget the provider; whoever it signed in is signed out."""
    from winnable import interface
    from winnable.service.web.sign_in.configuration import remove_sign_in

    if not remove_sign_in(store):
        out.print("Nobody signs in at an identity provider.")
        return
    interface.record_action(store, "turned the sign-in off")
    out.print("Nobody signs in at an identity provider any more; keys open the pages.")


def _secret() -> str:
    """The client's secret: of the environment, typed unseen, or a line of the input. No option, as
    whoever lists the processes would see it."""
    if SECRET in os.environ:
        return os.environ[SECRET].strip()
    if sys.stdin.isatty():
        return getpass("Client secret (empty for none): ").strip()
    return sys.stdin.readline().strip()
