#!/usr/bin/env bash
# Holds the dependency tree against deny.toml, without a network once the crates are fetched.
#
# OPSCONDUCTOR_ADVISORY_DB  a directory with a copy of the RustSec advisory database (the folder that holds `crates/`). Without it, licences,
#                           bans and sources are checked and advisories are not.
# OPSCONDUCTOR_TOOLS        where cargo-deny is kept, and installed when it is missing.
# OPSCONDUCTOR_SCRATCH      a directory for the copy of the database that cargo-deny is shown.
set -euo pipefail

version=0.20.2
tools=${OPSCONDUCTOR_TOOLS:-target/tools}
scratch=${OPSCONDUCTOR_SCRATCH:-target/deny}
cargo=${CARGO:-cargo}

deny=$(command -v cargo-deny || true)
if [ -z "$deny" ] || [ "$("$deny" --version)" != "cargo-deny $version" ]; then
    deny=$tools/bin/cargo-deny
    if [ ! -x "$deny" ] || [ "$("$deny" --version)" != "cargo-deny $version" ]; then
        echo "Installing cargo-deny $version into $tools" >&2
        # Unoptimized: it builds in a quarter of the time, and reads a tree of a few hundred crates in seconds all the same.
        env -u CARGO_TARGET_DIR CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=0 \
            "$cargo" install cargo-deny --version "$version" --locked --debug --force --root "$tools" >&2
    fi
fi

"$cargo" fetch --locked --quiet
check=("$deny" --offline --locked)

database=${OPSCONDUCTOR_ADVISORY_DB:-}
if [ -z "$database" ]; then
    echo "Advisories are not checked: OPSCONDUCTOR_ADVISORY_DB names no snapshot of the advisory database." >&2
    exec "${check[@]}" check --hide-inclusion-graph bans licenses sources
fi
[ -d "$database/crates" ] || {
    echo "OPSCONDUCTOR_ADVISORY_DB: $database holds no folder crates/, so it is not a copy of the advisory database." >&2
    exit 1
}

# cargo-deny wants the database as the git checkout it would have made itself: a folder named for the address it came from (the digits are the
# hash of https://github.com/rustsec/advisory-db), with the time of the last fetch in .git. A snapshot has neither, so it is copied into that shape.
# The copy counts as fetched now: how old a snapshot may be is for whoever gives it.
copy=$scratch/advisory-db-3157b0e258782691
rm -rf "$scratch"
mkdir -p "$copy/.git"
cp -R "$database/crates" "$copy/"
[ ! -d "$database/rust" ] || cp -R "$database/rust" "$copy/"
touch "$copy/.git/FETCH_HEAD"
absolute=$(cd "$scratch" && pwd)
sed "s|^\[advisories\]\$|[advisories]\ndb-path = \"$absolute\"|" deny.toml >"$scratch/deny.toml"
exec "${check[@]}" --config "$scratch/deny.toml" check --hide-inclusion-graph advisories bans licenses sources
