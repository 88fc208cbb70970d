#!/usr/bin/env bash
# Makes the peers of `make bench-winrm` ready below a directory, and prints where they are as lines for `eval`.
#
#   prepare.sh DIRECTORY
#
# A peer that cannot be had is said on standard error and left out: the bench names it again where its figure would stand.
set -euo pipefail

directory=$(mkdir -p "$1" && cd "$1" && pwd)
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
scripts=$here/../../../tests/scripts

missing() {
    echo "bench-winrm: $1 cannot be had here" >&2
}

if "$scripts/python-env.sh" "$directory/venv" "$here/requirements.txt" >&2; then
    echo "export OPSCONDUCTOR_BENCH_PYTHON='$directory/venv/bin/python'"
else
    missing "pywinrm, pypsrp and ansible-core"
fi

# It declares a newer Rust than it needs.
if "${CARGO:-cargo}" build --quiet --locked --release --ignore-rust-version \
    --manifest-path "$here/winrm-rs/Cargo.toml" --target-dir "$directory/winrm-rs" >&2; then
    echo "export OPSCONDUCTOR_BENCH_WINRM_RS='$directory/winrm-rs/release/peer-winrm-rs'"
else
    missing "winrm-rs"
fi

if "$scripts/ensure-packages.sh" winrmcp:winrmcp; then
    echo "export OPSCONDUCTOR_BENCH_WINRMCP='$(command -v winrmcp)'"
else
    missing "winrmcp"
fi
