#!/usr/bin/env python3
"""Checks with `cargo tree` what must be absent from the dependency trees that hosts get.

A host pays for what it asks for: the bare core brings no TLS, SSH, HTTP or SQL and needs no C compiler, and no store comes unasked.
Each rule also names crates that must be present, so that a rule cannot pass by looking at the wrong tree.
"""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field

CARGO = os.environ.get("CARGO", "cargo")

TLS = r"rustls.*|tokio-rustls|ring|aws-lc-.*|openssl.*|native-tls|webpki.*|schannel|security-framework.*"
SSH = r"russh.*|ssh2|ssh-.*|libssh.*"
HTTP = r"hyper.*|http|http-body.*|h2|h3|reqwest|ureq|axum.*|tower.*|curl.*"
SQL = r"sqlx.*|rusqlite|libsqlite3-sys|tokio-postgres|postgres.*|diesel.*"
C_COMPILER = r"cc|cmake|bindgen|nasm-rs"
EVERY_TRANSPORT = r"sspi|quick-xml"


@dataclass
class Rule:
    """What one tree must not hold."""

    package: str
    arguments: list[str]
    absent: dict[str, str]
    present: list[str] = field(default_factory=list)


RULES = [
    Rule(
        "opsconductor-core",
        ["--no-default-features"],
        {
            "TLS": TLS,
            "SSH": SSH,
            "HTTP": HTTP,
            "SQL": SQL,
            "a C compiler": C_COMPILER,
            "a transport": EVERY_TRANSPORT,
        },
        ["minijinja", "tokio"],
    ),
    Rule("opsconductor-core", ["--no-default-features", "--features", "testing"], {"TLS": TLS, "SSH": SSH, "HTTP": HTTP, "SQL": SQL}, ["tokio"]),
    Rule(
        "opsconductor-core",
        ["--no-default-features", "--features", "http"],
        {
            "another TLS stack": r"aws-lc-.*|openssl|openssl-sys|openssl-src|native-tls",
            "SSH": SSH,
            "SQL": SQL,
            "WinRM": EVERY_TRANSPORT,
        },
        ["hyper", "rustls", "ring"],
    ),
    Rule(
        "opsconductor-core",
        ["--no-default-features", "--features", "email"],
        {"another TLS stack": r"aws-lc-.*|openssl|openssl-sys|openssl-src|native-tls", "HTTP": HTTP, "SSH": SSH, "SQL": SQL, "WinRM": EVERY_TRANSPORT},
        ["lettre", "rustls", "ring"],
    ),
    Rule("opsconductor-core", [], {"SSH": SSH, "SQL": SQL}, ["sspi", "rustls"]),
    Rule(
        "opsconductor-core",
        ["--no-default-features", "--features", "ssh"],
        {"another crypto library": r"aws-lc-.*|openssl.*|libssh.*|ssh2", "HTTP": HTTP, "SQL": SQL, "another transport": EVERY_TRANSPORT},
        ["russh", "russh-sftp", "ring"],
    ),
    Rule("opsconductor-store-pg", [], {"TLS": TLS, "SSH": SSH, "HTTP": HTTP, "SQLite": r"rusqlite|libsqlite3-sys|sqlx-sqlite"}, ["sqlx-postgres", "tokio"]),
    Rule("opsconductor-store-pg", ["--features", "tls"], {"another TLS stack": r"aws-lc-.*|openssl|openssl-sys|openssl-src|native-tls"}, ["rustls", "ring"]),
    Rule("opsconductor-store-sqlite", [], {"SSH": SSH, "PostgreSQL": r"sqlx.*|tokio-postgres|postgres.*"}, ["rusqlite"]),
    Rule("opsconductor-server", [], {"PostgreSQL": r"sqlx.*|tokio-postgres|postgres.*"}, ["rusqlite", "clap"]),
    Rule("opsconductor-server", ["--no-default-features"], {"a store nobody asked for": SQL}, ["clap"]),
    Rule("opsconductor-server", ["--no-default-features", "--features", "postgres"], {"SQLite": r"rusqlite|libsqlite3-sys|sqlx-sqlite"}, ["sqlx-postgres"]),
]


def members() -> dict[str, dict]:
    """The members of the workspace by name."""
    command = [CARGO, "metadata", "--format-version", "1", "--no-deps", "--locked"]
    found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return {package["name"]: package for package in found["packages"]}


def tree(rule: Rule) -> set[str]:
    """The names of all packages that are built for the rule's package: normal and build dependencies, no tests."""
    command = [CARGO, "tree", "--locked", "--package", rule.package, "--edges", "normal,build"]
    command += ["--prefix", "none", "--format", "{p}", *rule.arguments]
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return {line.split()[0] for line in lines.splitlines() if line.strip()}


def problems(rule: Rule) -> list[str]:
    """What the rule finds wrong."""
    names = tree(rule)
    title = " ".join([rule.package, *rule.arguments])
    found = [f"{title}: {name} should be in the tree" for name in rule.present if name not in names]
    for what, pattern in rule.absent.items():
        matches = sorted(name for name in names if re.fullmatch(pattern, name))
        if matches:
            found.append(f"{title}: the tree brings {what}: {', '.join(matches)}")
    return found


def main() -> int:
    """Prints every problem; the exit code says whether there was one."""
    known = members()
    checked = 0
    found = []
    for rule in RULES:
        if rule.package not in known:
            found.append(f"{rule.package} is no member of the workspace")
            continue
        # A server that hosts one store only has no feature to leave out yet.
        if "--no-default-features" in rule.arguments and not known[rule.package]["features"]:
            continue
        found += problems(rule)
        checked += 1
    for problem in found:
        print(problem, file=sys.stderr)
    if not found:
        print(f"dependency trees: {checked} as they should be")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
