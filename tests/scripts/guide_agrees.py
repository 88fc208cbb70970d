#!/usr/bin/env python3
"""Checks that the README, the crate guide and the quickstart program show the same code.

The program `examples/quickstart/src/main.rs` is compiled and run; the first Rust block of `README.md` and the first one of the core's crate
guide must be that program word for word, so that neither can show code that no longer works.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path("examples/quickstart/src/main.rs")
README = Path("README.md")
GUIDE = Path("opsconductor-core/src/lib.rs")

BLOCK = re.compile(r"^```(?:rust|rs)\b[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
DOC_ATTRIBUTE = re.compile(r"#!\[doc\s*=\s*(.*?)\]\s*$", re.DOTALL)
PIECE = re.compile(r'include_str!\(\s*"([^"]+)"\s*,?\s*\)|"((?:[^"\\]|\\.)*)"')


def guide_text(source: Path) -> str:
    """The crate guide as rustdoc reads it: `//!` lines and `#![doc = …]` attributes, with what they include."""
    text = []
    attribute = ""
    for line in source.read_text(encoding="utf-8").splitlines():
        if attribute or line.startswith("#![doc"):
            attribute += line + "\n"
            match = DOC_ATTRIBUTE.match(attribute)
            if match:
                text.append(attribute_text(match.group(1), source.parent))
                attribute = ""
        elif line.startswith("//!"):
            text.append(line.removeprefix("//!").removeprefix(" ") + "\n")
    return "".join(text)


def attribute_text(expression: str, folder: Path) -> str:
    """The value of a `doc` attribute: strings and included files, joined."""
    text = ""
    for included, literal in PIECE.findall(expression):
        if included:
            text += (folder / included).read_text(encoding="utf-8")
        else:
            text += literal.replace("\\n", "\n").replace('\\"', '"')
    return text if text.endswith("\n") else text + "\n"


def first_block(text: str) -> str | None:
    """The first Rust code block; a line that rustdoc hides (`# …`) counts as shown."""
    match = BLOCK.search(text)
    if match is None:
        return None
    lines = match.group(1).splitlines()
    shown = [re.sub(r"^(\s*)# (.*)$", r"\1\2", line) if line != "#" else "" for line in lines]
    return normal("\n".join(shown))


def normal(text: str) -> str:
    """The text without spaces at the ends of lines and without blank lines around it."""
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def main() -> int:
    """Prints what differs; the exit code says whether something did."""
    failures = []
    program = normal((ROOT / PROGRAM).read_text(encoding="utf-8"))
    texts = {
        README: (ROOT / README).read_text(encoding="utf-8"),
        GUIDE: guide_text(ROOT / GUIDE),
    }
    for path, text in texts.items():
        block = first_block(text)
        if block is None:
            failures.append(f"{path}: no Rust code block; it should show {PROGRAM}")
        elif block != program:
            pairs = zip(block.splitlines(), program.splitlines(), strict=False)
            number, shown = next(
                ((n, line) for n, (line, want) in enumerate(pairs, 1) if line != want),
                (0, "its length"),
            )
            failures.append(f"{path}: the first Rust block differs from {PROGRAM} at line {number}: {shown}")
    for failure in failures:
        print(failure, file=sys.stderr)
    if not failures:
        print(f"README and crate guide show {PROGRAM}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
