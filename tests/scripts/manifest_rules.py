#!/usr/bin/env python3
"""Checks what every manifest of the workspace must say, reading `cargo metadata`.

* Every member has the workspace's edition and Rust version, and takes over its lints.
* What is not for crates.io (`tests/`, `benches/`, `examples/`) says `publish = false`; what is has a description and a licence.
* Every library and program forbids unsafe code at its root.
* No dependency that is built by default declares a newer Rust than the workspace does.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

FORBID = "#![forbid(unsafe_code)]"
UNPUBLISHED = ("tests", "benches", "examples")
LINTS = re.compile(r"^\[lints\]\s*\nworkspace = true|^lints\.workspace = true", re.MULTILINE)


def metadata() -> dict:
    """The workspace as cargo resolves it for this machine, with default features."""
    cargo = os.environ.get("CARGO", "cargo")
    host = next(
        line.removeprefix("host: ")
        for line in subprocess.run(
            [os.environ.get("RUSTC", "rustc"), "-vV"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.splitlines()
        if line.startswith("host: ")
    )
    command = [cargo, "metadata", "--format-version", "1", "--locked"]
    command += ["--filter-platform", host]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def shared_value(manifest: str, key: str) -> str:
    """A value of `[workspace.package]`. Read with a pattern, since Python 3.10 has no TOML reader."""
    section = re.search(r"^\[workspace\.package\]\n(.*?)(?=^\[|\Z)", manifest, re.MULTILINE | re.DOTALL)
    match = section and re.search(rf'^{key} = "([^"]+)"', section.group(1), re.MULTILINE)
    if not match:
        sys.exit(f"Cargo.toml: [workspace.package] says no {key}")
    return match.group(1)


def version(text: str) -> tuple[int, ...]:
    """A Rust version to compare: `1.94` and `1.94.0` are the same."""
    numbers = [int(part) for part in text.split("-")[0].split(".")]
    return tuple(numbers + [0] * (3 - len(numbers)))


def member_problems(package: dict, root: Path, rust_version: str, edition: str) -> list[str]:
    """What is wrong with one member's manifest."""
    problems = []
    manifest = Path(package["manifest_path"])
    place = manifest.relative_to(root)
    written = manifest.read_text(encoding="utf-8")
    if package["rust_version"] != rust_version:
        problems.append(f"{place}: say `rust-version.workspace = true`")
    if package["edition"] != edition:
        problems.append(f"{place}: say `edition.workspace = true`")
    if not LINTS.search(written):
        problems.append(f"{place}: say `[lints] workspace = true`")
    if place.parts[0] in UNPUBLISHED:
        if package["publish"] != []:
            problems.append(f"{place}: say `publish = false`")
    else:
        for field in ("description", "license"):
            if not package[field]:
                problems.append(f"{place}: `{field}` is missing")
    for target in package["targets"]:
        kinds = set(target["kind"])
        if not kinds & {"lib", "rlib", "cdylib", "bin"}:
            continue
        source = Path(target["src_path"])
        if FORBID not in source.read_text(encoding="utf-8"):
            problems.append(f"{source.relative_to(root)}: say `{FORBID}`")
    return problems


def main() -> int:
    """Prints every problem; the exit code says whether there was one."""
    found = metadata()
    root = Path(found["workspace_root"])
    manifest = (root / "Cargo.toml").read_text(encoding="utf-8")
    rust_version = shared_value(manifest, "rust-version")
    edition = shared_value(manifest, "edition")
    packages = {package["id"]: package for package in found["packages"]}
    problems = []
    for member in found["workspace_members"]:
        problems += member_problems(packages[member], root, rust_version, edition)
    built = [packages[node["id"]] for node in found["resolve"]["nodes"]]
    for package in built:
        declared = package["rust_version"]
        if declared and version(declared) > version(rust_version):
            problems.append(f"{package['name']} {package['version']} declares Rust {declared}, the workspace {rust_version}")
    for problem in problems:
        print(problem, file=sys.stderr)
    if not problems:
        count = len(found["workspace_members"])
        print(f"manifests: {count} members and {len(built)} packages as they should be")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
