"""``drawdown keys``: API keys, in a data folder (its server may be running) or through a server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from drawdown.cli.command_group import CommandGroup
from drawdown.cli.options import DatabaseOptions, JsonOption, instant_from, target_tls
from drawdown.cli.output import console, print_json, print_table, print_value, text_of
from drawdown.errors import InvalidRequestError
from drawdown.model.api_key import ApiKey, KeyFacts, check_overlap, facts_of
from drawdown.model.instants import instant_from_us, now_us, optional_instant, optional_us
from drawdown.model.rights import rights_from

if TYPE_CHECKING:
    from drawdown.client.keys import RemoteKeys
    from drawdown.storage.key_file import KeyFile

keys = CommandGroup(help="API keys: who may call, and what.")

OVERLAP_S = 86_400
KeyId = Annotated[str, typer.Argument(metavar="KEY_ID", help="The middle part of the key's text.")]


@contextmanager
def _opened(options: DatabaseOptions) -> Iterator[KeyFile | RemoteKeys]:
    options.check()
    if options.target is not None:
        from drawdown.client.keys import RemoteKeys

        with RemoteKeys(options.target, options.api_key, target_tls()) as remote:
            yield remote
        return
    from drawdown.config import load
    from drawdown.storage.key_file import KeyFile

    yield KeyFile(options.folder, load().process.api_key_pepper_file)


def _audit(options: DatabaseOptions, call: str, key: ApiKey | KeyFacts) -> None:
    """A change made in the folder itself has nobody else to note it."""
    if options.target is not None:
        return
    from drawdown.storage.audit_file import AuditFile

    file = AuditFile(options.folder)
    caller = f"command line, uid {os.getuid()}"
    file.append(
        durable=True, call=f"keys {call}", caller=caller, account="", subject=key.key_id, outcome="OK"
    )
    file.close()


@keys.command()
def create(
    name: Annotated[
        str, typer.Argument(help="Name shown in lists and in the audit log; unique among live keys.")
    ],
    rights: Annotated[str, typer.Option(help="Comma-separated: ingest, read, manage, admin.")],
    account_prefix: Annotated[
        str, typer.Option(metavar="PREFIX", help="The key reaches only accounts whose id starts with this.")
    ] = "",
    certificate: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="The name in a client certificate, which then stands in for a key text."
        ),
    ] = "",
    calls_per_s: Annotated[
        int, typer.Option(help="At most this many calls and batches a second; 0: no limit.")
    ] = 0,
    expires_at: Annotated[
        str | None, typer.Option(metavar="INSTANT", help="The key is refused from this instant on.")
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Instead of --expires-at.")] = None,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Make a key and print its text, which is stored nowhere and cannot be shown again.

    A running server accepts a new key within a second, and from the folder's first one on takes no call
    without (unless it was started with access=open). Hand the text over safely; a lost one cannot be found
    again, only rotated.
    """
    if days is not None and expires_at is not None:
        raise InvalidRequestError("days: give --days or --expires-at, not both", field="days")
    ends = instant_from(expires_at, "expires_at")
    if days is not None:
        ends = instant_from_us(now_us()) + timedelta(days=days)
    with _opened(options) as store:
        made, text = store.create(
            name,
            rights_from(rights.split(",")),
            account_prefix=account_prefix,
            certificate=certificate,
            calls_per_s=calls_per_s,
            expires_at=optional_us(ends),
        )
    _audit(options, "create", made)
    _print_text(made, text, json)


@keys.command("list")
def list_keys(
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """List all keys with their rights, state and last use. A key's text cannot be shown again."""
    with _opened(options) as store:
        found = store.all_keys()
    rows = [_facts(key) for key in found]
    if json:
        print_json(rows)
        return
    columns = ["key_id", "name", "rights", "account_prefix", "state", "expires_at", "last_used_at"]
    print_table("Keys", columns, [[row[column] for column in columns] for row in rows])


@keys.command()
def rotate(
    key_id: KeyId,
    overlap_s: Annotated[
        int, typer.Option(help="For how many more seconds the present text is accepted; 0: not at all.")
    ] = OVERLAP_S,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Make a new text for a key, printed only this once; the old one is accepted for another day."""
    with _opened(options) as store:
        rotated, text = store.rotate(key_id, check_overlap(overlap_s))
    _audit(options, "rotate", rotated)
    _print_text(rotated, text, json)


@keys.command()
def revoke(
    key_id: KeyId,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Revoke a key; a running server refuses it within a second. A repeat changes nothing."""
    with _opened(options) as store:
        revoked = store.revoke(key_id)
    _audit(options, "revoke", revoked)
    print_value(_facts(revoked), f"key {revoked.key_id} ({revoked.name}) is revoked", json)


def _facts(key: ApiKey | KeyFacts) -> dict[str, Any]:
    known = facts_of(key, now_us()) if isinstance(key, ApiKey) else key
    return {
        "key_id": known.key_id,
        "name": known.name,
        "rights": known.rights,
        "account_prefix": known.account_prefix or None,
        "certificate": known.certificate or None,
        "calls_per_s": known.calls_per_s or None,
        "state": known.state,
        "created_at": instant_from_us(known.created_at),
        "expires_at": optional_instant(known.expires_at),
        "revoked_at": optional_instant(known.revoked_at),
        "last_used_at": optional_instant(known.last_used_at),
    }


def _print_text(key: ApiKey | KeyFacts, text: str, as_json: bool) -> None:
    if as_json:
        print_json({**_facts(key), "text": text or None})
        return
    rows = [(name, text_of(value)) for name, value in _facts(key).items()]
    print_table("Key", ["what", "found"], rows)
    if text:
        console.print("Its text, shown only this once:", markup=False)
        typer.echo(text)


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.add_typer(keys, name="keys")
