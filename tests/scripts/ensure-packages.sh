#!/usr/bin/env bash
# Makes sure that the programs the build and the tests need are there.
#
#   ensure-packages.sh PROGRAM:PACKAGE...
#
# PROGRAM is looked for on the PATH, where Debian keeps the programs of PostgreSQL, and among those of the administrator; PACKAGE is the Debian package that brings it. What is missing is installed when that is possible without
# asking (root on a Debian system); otherwise the line that installs it is printed and the script fails.
set -euo pipefail

missing=()
for pair in "$@"; do
    program=${pair%%:*}
    command -v "$program" >/dev/null 2>&1 || [ -x "/usr/sbin/$program" ] || compgen -G "/usr/lib/postgresql/*/bin/$program" >/dev/null || missing+=("${pair#*:}")
done
[ "${#missing[@]}" -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "Missing: ${missing[*]}. Install them first, for example: sudo apt-get install ${missing[*]}" >&2
    exit 1
fi

echo "Installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
install=(apt-get install --yes --no-install-recommends "${missing[@]}")
# A fresh container has no package lists, an older one stale ones: both are mended by one update.
if ! "${install[@]}" >&2; then
    apt-get update >&2
    "${install[@]}" >&2
fi
