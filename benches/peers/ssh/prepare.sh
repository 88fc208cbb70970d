#!/usr/bin/env bash
# Makes the peers of `make bench-ssh` ready below a directory, and prints where they are as lines for `eval`.
#
#   prepare.sh DIRECTORY
#
# A peer that cannot be had is said on standard error and left out: the bench names it again where its figure would stand.
set -euo pipefail

directory=$(mkdir -p "$1" && cd "$1" && pwd)
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

if "$here/../../../tests/scripts/python-env.sh" "$directory/ssh-python" "$here/requirements.txt" >&2; then
    echo "export OPSCONDUCTOR_BENCH_SSH_PYTHON='$directory/ssh-python/bin/python'"
else
    echo "bench-ssh: ansible-core cannot be had here" >&2
fi
