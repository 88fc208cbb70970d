#!/usr/bin/env bash
# Makes a Python virtual environment from pinned requirements files, or keeps the one that already fits.
#
#   python-env.sh DIRECTORY REQUIREMENTS...
#
# PYTHON names the interpreter to use (default: python3).
set -euo pipefail

directory=$1
shift
python=${PYTHON:-python3}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

"$here/ensure-packages.sh" "$python:python3"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || {
    echo "$python is older than Python 3.10: set PYTHON to a newer one." >&2
    exit 1
}
# Debian splits venv and ensurepip from python3; without them an environment comes out without pip.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
        # No program tells this package's presence, hence a name that is never found.
        "$here/ensure-packages.sh" "no-program-of-this-name:python3-venv"
    else
        echo "Python's venv module is missing. Install it first, for example: sudo apt-get install python3-venv" >&2
        exit 1
    fi
fi

stamp="$("$python" --version) $(cat "$@" | cksum)"
if [ -x "$directory/bin/python" ] && [ "$(cat "$directory/stamp" 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi
requirements=()
for file in "$@"; do
    requirements+=(--requirement "$file")
done
"$python" -m venv --clear "$directory"
"$directory/bin/python" -m pip install --quiet --disable-pip-version-check "${requirements[@]}"
printf '%s\n' "$stamp" >"$directory/stamp"
