#!/bin/sh
# Say what is missing on this machine, all of it at once, and how to get it. Changes nothing.
python="${1:-python3}"
missing=0

report() {
    missing=1
    echo "missing: $1" >&2
    echo "         $2" >&2
}

if ! command -v "$python" >/dev/null 2>&1; then
    report "$python (CPython 3.11 or newer)" "install it, or name another: make PYTHON=/path/to/python3.12 test"
elif ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
    report "CPython 3.11 or newer ($python is older)" "name a newer one: make PYTHON=python3.12 test"
elif ! "$python" -c 'import venv, ensurepip' >/dev/null 2>&1; then
    report "the venv module of $python" "on Debian and Ubuntu: apt-get install python3-venv"
fi
if ! command -v cargo >/dev/null 2>&1; then
    report "cargo (stable Rust 1.88 or newer)" "see https://rustup.rs, then open a new shell"
fi
if ! command -v cc >/dev/null 2>&1; then
    report "cc (a C compiler and linker)" "on Debian and Ubuntu: apt-get install gcc libc6-dev"
fi
exit "$missing"
