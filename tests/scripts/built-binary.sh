#!/usr/bin/env bash
# Builds a program of the workspace and prints the path cargo put it at, wherever the target directory is.
#
#   built-binary.sh PROGRAM CARGO-ARGUMENT...
#
# The arguments go to `cargo build`; what cargo has to say goes to standard error.
set -euo pipefail

program=$1
shift

"${CARGO:-cargo}" build --message-format json-render-diagnostics "$@" | PROGRAM=$program "${PYTHON:-python3}" -c '
import json, os, sys

program = os.environ["PROGRAM"]
path = None
for line in sys.stdin:
    message = json.loads(line)
    if message.get("reason") != "compiler-artifact" or not message.get("executable"):
        continue
    # A test harness of the same program is an executable too, but not the program.
    if message["target"]["name"] == program and "bin" in message["target"]["kind"] and not message["profile"]["test"]:
        path = message["executable"]
if path is None:
    sys.exit(f"cargo built no program named {program}")
print(path)
'
