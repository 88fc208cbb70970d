#!/usr/bin/env bash
# Runs the tests that need a Kerberos realm, which they make themselves, on loopback and in a directory that goes again.
#
#   kerberos.sh [--if-possible] CARGO-ARGUMENT...
#
# MIT's key distribution centre and the Python door to its GSSAPI are installed when they are missing (see
# ensure-packages.sh). With --if-possible it is no failure when they cannot be.
set -euo pipefail

here="$(dirname "$0")"
possible=false
if [ "${1:-}" = --if-possible ]; then
    possible=true
    shift
fi

# Debian keeps the servers where only root's PATH looks, and python3-gssapi belongs to its own Python.
export PATH="$PATH:/usr/sbin:/sbin" SYSTEM_PYTHON="${SYSTEM_PYTHON:-/usr/bin/python3}"
needed=(krb5kdc:krb5-kdc kdb5_util:krb5-kdc kadmin.local:krb5-admin-server)
"$SYSTEM_PYTHON" -c 'import gssapi' 2>/dev/null || needed+=(python3-gssapi-is-missing:python3-gssapi)
if ! "$here/ensure-packages.sh" "${needed[@]}"; then
    if $possible; then
        echo "The Kerberos tests are left out: what they need cannot be installed here." >&2
        exit 0
    fi
    exit 1
fi

exec "${CARGO:-cargo}" test --test 'kerberos*' "$@"
