"""An export of the audit record that the library made, read by `examples/python/verify_audit.py`.

The export in `opsconductor-core/testdata/audit-export.ndjson` is the one that the unit tests of the core
make anew and compare byte for byte. It is accepted here, and 10,000 random tampers of it are found.
"""

import json
import pathlib
import random
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PROGRAM = ROOT / "examples" / "python" / "verify_audit.py"
EXPORT = ROOT / "opsconductor-core" / "testdata" / "audit-export.ndjson"
KEY = ROOT / "opsconductor-core" / "testdata" / "audit-export.key"
REMOVED = ROOT / "opsconductor-core" / "testdata" / "audit-removed.note"

sys.path.insert(0, str(PROGRAM.parent))
sys.dont_write_bytecode = True
import verify_audit  # noqa: E402

KEY_TEXT = KEY.read_text(encoding="utf-8")
LINES = EXPORT.read_text(encoding="utf-8").split("\n")[:-1]
CHECKPOINT = json.loads(LINES[-1])["checkpoint"]


def test_the_export_holds():
    assert verify_audit.verify(LINES, KEY_TEXT) == []
    assert verify_audit.verify(LINES, KEY_TEXT, [CHECKPOINT]) == []
    assert len(LINES) > 10


def test_a_part_holds_where_a_note_says_that_the_rest_was_removed():
    checkpoints = [place for place, line in enumerate(LINES) if "checkpoint" in json.loads(line)]
    first = checkpoints[0]
    assert first < len(LINES) - 1, "the export has one in the middle, for this"
    removed = verify_audit.canonical({"checkpoint": REMOVED.read_text(encoding="utf-8")})
    assert verify_audit.verify([removed, *LINES[first + 1 :]], KEY_TEXT) == []
    assert verify_audit.verify(LINES[first + 1 :], KEY_TEXT) != []
    found = verify_audit.verify(LINES[first:], KEY_TEXT)
    assert any("was removed" in problem for problem in found), "an ordinary checkpoint does not stand for what was cut"


def test_a_cut_tail_is_found():
    checkpoints = [place for place, line in enumerate(LINES) if "checkpoint" in json.loads(line)]
    cut = LINES[: checkpoints[0] + 1]
    assert verify_audit.verify(cut, KEY_TEXT) == [], "alone it is a shorter export"
    assert any("missing at the end" in problem for problem in verify_audit.verify(cut, KEY_TEXT, [CHECKPOINT]))


def test_another_key_opens_nothing():
    name, key_id, blob = KEY_TEXT.strip().split("+", 2)
    other = f"{name}+{key_id}+{blob[:-6]}AAAAA="
    assert verify_audit.verify(LINES, other) != []


def tampered(rng):
    lines = list(LINES)
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    kind = rng.randrange(6)
    if kind == 0:
        at = rng.randrange(len(lines[one]))
        lines[one] = lines[one][:at] + chr(rng.randrange(32, 127)) + lines[one][at + 1 :]
    elif kind == 1:
        del lines[one]
    elif kind == 2:
        lines.insert(other, lines[one])
    elif kind == 3:
        lines[one], lines[other] = lines[other], lines[one]
    elif kind == 4:
        del lines[one:]
    else:
        # By one who knows the form.
        item = json.loads(lines[one])
        if "actor" in item:
            item["actor"] = f"eve {rng.random()}"
        lines[one] = verify_audit.canonical(item)
    return lines


def whole(lines):
    """Whether the tampering left something that holds by itself: a shorter export that ends with its checkpoint, or a checkpoint
    that is there once more or once less."""
    records = [line for line in lines if "checkpoint" not in json.loads(line)]
    own = [line for line in LINES if "checkpoint" not in json.loads(line)]
    return records == own


def test_tampers_are_found():
    rng = random.Random(20261123)
    tried = 0
    while tried < 10_000:
        lines = tampered(rng)
        if lines == LINES:
            continue
        tried += 1
        found = verify_audit.verify(lines, KEY_TEXT, [CHECKPOINT])
        if not found:
            # A checkpoint that repeats what another one says may come or go: the records are the same.
            assert whole(lines), lines


@pytest.mark.parametrize(("lines", "code"), [(LINES, 0), (LINES[:3] + LINES[4:], 1)])
def test_the_program_says_so_with_its_exit_code(tmp_path, lines, code):
    export = tmp_path / "audit.ndjson"
    export.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    command = [sys.executable, "-B", str(PROGRAM), str(export), "--key", str(KEY)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == code, ran.stderr
    absent = [sys.executable, "-B", str(PROGRAM), str(tmp_path / "no"), "--key", str(KEY)]
    assert subprocess.run(absent, capture_output=True, check=False).returncode == 2
