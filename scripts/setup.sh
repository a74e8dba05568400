#!/bin/sh
# Makes .venv ready, from any Python 3.11-3.13 that can create one. Does nothing when it is ready.
# PYTHON=/path/to/python chooses the interpreter.
set -eu
cd "$(dirname "$0")/.."
unset PYTHONHOME PYTHONPATH 2>/dev/null || true

venv_python=.venv/bin/python
if [ -z "${PYTHON:-}" ] && "$venv_python" -S scripts/setup_env.py --check 2>/dev/null; then
    exit 0
fi

usable='import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'
is_usable() { [ -n "$1" ] && "$1" -c "$usable" >/dev/null 2>&1; }

# The interpreter behind an environment that is only out of date comes first: its version stays.
base=$("$venv_python" -c 'import sys; print(sys._base_executable)' 2>/dev/null || true)
if [ -n "${PYTHON:-}" ]; then
    candidates="$PYTHON" base=
else
    candidates="python3.13 python3.12 python3.11 python3"
fi
chosen=
if is_usable "$base"; then
    chosen=$base
elif [ -n "${PYTHON:-}" ]; then
    if is_usable "$PYTHON"; then chosen=$PYTHON; fi
else
    for name in $candidates; do
        if is_usable "$name"; then chosen=$name; break; fi
    done
fi
if [ -z "$chosen" ]; then
    {
        echo "baton: no usable Python found. Needed is Python 3.11, 3.12 or 3.13 with the modules venv and ensurepip."
        echo "Looked at: $candidates"
        for name in ${PYTHON:+"$PYTHON"} python3; do
            echo "  $name is $("$name" --version 2>&1 | tail -n 1)"
        done
        echo "Next: install one (Debian, Ubuntu: apt-get install python3 python3-venv; macOS: brew install python@3.13),"
        echo "or name one: make run PYTHON=/path/to/python3.12"
    } >&2
    exit 1
fi
exec "$chosen" scripts/setup_env.py
