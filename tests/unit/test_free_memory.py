"""What messages left free goes back to the system with a checkpoint, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

STORY = """
import sys
from pathlib import Path

from drawdown.engine import Engine
from drawdown.runtime.checkpointer import Checkpointer
from drawdown.runtime.memory import keep_message_buffers

def resident_mib():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 >> 20

assert keep_message_buffers()
engine = Engine.open(sys.argv[1])
checkpointer = Checkpointer(engine, interval_s=1.0)
checkpointer.step()
messages = [bytearray(b"x" * (1 << 20)) for _ in range(100)]
full = resident_mib()
messages.clear()
kept = resident_mib()
engine.create_account("a")
checkpointer.step()
print(full, kept, resident_mib())
engine.close()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_a_checkpoint_gives_back_what_messages_left_free(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STORY, str(tmp_path / "data")], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    full, kept, given_back = map(int, done.stdout.split())
    assert kept > full - 20, "buffers are kept between messages"
    assert given_back < kept - 60, "and not for ever"
