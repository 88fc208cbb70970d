#!/usr/bin/env python3
"""Reads the report of `opsconductor demo --once --json` from standard input and says whether the demo did what it promises."""

import json
import sys

HOSTS = 3
RUN_FIELDS = {"job", "status", "steps"}
STEP_FIELDS = {"type", "target", "status", "exit_code", "duration_ms"}


def problems(report: dict) -> list[str]:
    """What the report lacks: two jobs or more over three hosts, every step succeeded."""
    found = []
    runs = report.get("runs", [])
    if len(runs) < 2:
        found.append(f"{len(runs)} runs instead of the two sample jobs")
    targets = set()
    for run in runs:
        missing = RUN_FIELDS - run.keys()
        if missing:
            found.append(f"a run lacks {', '.join(sorted(missing))}")
            continue
        if run["status"] != "succeeded":
            found.append(f"job {run['job']}: {run['status']}")
        if not run["steps"]:
            found.append(f"job {run['job']}: no steps")
        for step in run["steps"]:
            missing = STEP_FIELDS - step.keys()
            if missing:
                found.append(f"job {run['job']}: a step lacks {', '.join(sorted(missing))}")
                continue
            place = f"job {run['job']}, {step['type']} on {step['target']}"
            targets.add(step["target"])
            if step["status"] != "succeeded":
                found.append(f"{place}: {step['status']}")
            if step["exit_code"] not in (0, None):
                found.append(f"{place}: exit code {step['exit_code']}")
            if not isinstance(step["duration_ms"], int | float) or step["duration_ms"] < 0:
                found.append(f"{place}: duration {step['duration_ms']!r}")
    if len(targets) != HOSTS:
        found.append(f"{len(targets)} hosts instead of {HOSTS}: {', '.join(sorted(targets))}")
    return found


def main() -> int:
    """Prints every problem; the exit code says whether there was one."""
    try:
        report = json.load(sys.stdin)
    except json.JSONDecodeError as error:
        print(f"demo: the report is not one JSON document: {error}", file=sys.stderr)
        return 1
    found = problems(report)
    for problem in found:
        print(f"demo: {problem}", file=sys.stderr)
    if not found:
        steps = sum(len(run["steps"]) for run in report["runs"])
        print(f"demo: {len(report['runs'])} runs, {steps} steps on {HOSTS} hosts, all succeeded")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
