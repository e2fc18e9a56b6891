"""Memory of accounts and of event ids, in a process that does nothing else: one JSON object on stdout.

``python -m benches.memory_probe FOLDER ACCOUNTS EVENTS``
"""

from __future__ import annotations

import gc
import json
import os
import sys
from pathlib import Path

from drawdown import embedded
from drawdown.cli.bench_preparation import prepare

from benches.in_process import batches_of, ingest

BATCH = 1000
# So many accounts and events come first: buffers that are made once are not counted per account.
FIRST_ACCOUNTS = 4_000
FIRST_EVENTS = 20_000
BATCHES_AT_ONCE = 200


def resident_bytes() -> int:
    """Memory that this process holds now."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def probe(folder: str, accounts: int, events: int) -> dict[str, float]:
    """Bytes per account with one grant, and per remembered event id, as this process grew."""
    with embedded.open(folder) as database:
        prepare(database, accounts=min(FIRST_ACCOUNTS, accounts // 2), grants=1)
        began = resident_bytes()
        prepare(database, accounts=accounts, grants=1)
        per_account = (resident_bytes() - began) / (accounts - min(FIRST_ACCOUNTS, accounts // 2))

        _record(database, accounts, FIRST_EVENTS)
        began, keys_before = resident_bytes(), int(database.stats()["dedupe_keys"])
        # The table grows in steps: what an id costs right after one and right before the next, both count.
        per_key: list[float] = []
        done = 0
        while done < events:
            step = min(events - done, BATCH * BATCHES_AT_ONCE)
            _record(database, accounts, step)
            done += step
            figures = database.stats()
            if done * 2 >= events:
                per_key.append(figures["dedupe_key_bytes"] / figures["dedupe_keys"])
        figures = database.stats()
        keys = int(figures["dedupe_keys"]) - keys_before
        return {
            "bytes_per_account": per_account,
            "bytes_per_key": (resident_bytes() - began) / keys,
            "table_bytes_per_key_most": max(per_key),
            "table_bytes_per_key_least": min(per_key),
            "accounts": figures["accounts"],
            "keys": figures["dedupe_keys"],
        }


def _record(database: embedded.EmbeddedDatabase, accounts: int, events: int) -> None:
    batches = batches_of(accounts=accounts, batch=BATCH, count=events // BATCH)
    ingest(database.engine, batches, BATCH)


if __name__ == "__main__":
    print(json.dumps(probe(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
