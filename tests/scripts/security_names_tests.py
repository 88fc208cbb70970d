#!/usr/bin/env python3
"""Checks that every promise in `opsconductor-core/SECURITY.md` names tests that exist.

A row of a table of promises ends in ``test``, ``test`` in ``file``, once or more, separated by semicolons. Each test must be a function of that
file, and each file must be there. A promise without a test is none.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = Path("opsconductor-core/SECURITY.md")
HEAD = "| promise | proved by |"
PROOF = re.compile(r"((?:`\w+`(?:, )?)+) in `([^`]+)`")


def rows(text: str) -> list[tuple[int, str, str]]:
    """The number, the promise and the proof of each row of the tables of promises."""
    found = []
    within = False
    for number, line in enumerate(text.splitlines(), 1):
        if line == HEAD:
            within = True
        elif not line.startswith("|"):
            within = False
        elif within and not line.startswith("|---"):
            cells = line.strip("|").split(" | ")
            found.append((number, cells[0].strip(), " | ".join(cells[1:]).strip()))
    return found


def problems(number: int, promise: str, proof: str) -> list[str]:
    """What is wrong with one row."""
    named = PROOF.findall(proof)
    if not named:
        return [f"{PAGE}:{number}: “{promise}” names no test"]
    found = []
    for tests, path in named:
        file = ROOT / path
        if not file.is_file():
            found.append(f"{PAGE}:{number}: there is no file {path}")
            continue
        source = file.read_text(encoding="utf-8")
        for test in re.findall(r"`(\w+)`", tests):
            if not re.search(rf"\bfn {test}\b", source):
                found.append(f"{PAGE}:{number}: {path} has no test {test}")
    return found


def main() -> int:
    """Prints every problem; the exit code says whether there was one."""
    found = rows((ROOT / PAGE).read_text(encoding="utf-8"))
    failures = [problem for row in found for problem in problems(*row)]
    if not found:
        failures.append(f"{PAGE}: no table begins with {HEAD}")
    for failure in failures:
        print(failure, file=sys.stderr)
    if not failures:
        print(f"{PAGE}: {len(found)} promises name tests that exist")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
