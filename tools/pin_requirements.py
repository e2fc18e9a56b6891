"""Resolve requirements/dev.in in a throw-away environment and write the pinned closure to dev.txt."""

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = "# The whole development closure, pinned. Made from dev.in by: make pin\n"


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder) / "bin" / "python")
        source = ROOT / "requirements" / "dev.in"
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", str(source)], check=True)
        frozen = subprocess.run([python, "-m", "pip", "freeze"], check=True, capture_output=True, text=True)
    (ROOT / "requirements" / "dev.txt").write_text(HEADER + frozen.stdout, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
