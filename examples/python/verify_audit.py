#!/usr/bin/env python3
"""Checks an export of OpsConductor's audit record without a line of OpsConductor's code.

    opsconductor audit export --store ... > audit.ndjson
    opsconductor audit public-key --store ... > audit.key
    python3 verify_audit.py audit.ndjson --key audit.key [--checkpoint NOTE]...

Each record is a line of JSON in the canonical form of RFC 8785 and holds the SHA-256 of the line before it; checkpoints are
notes of C2SP (signed-note, tlog-checkpoint) under Ed25519. Where it does not begin with number 1, its first line is a note that
says that what came before was removed; no other note stands for that. Exit code 0: it holds; 1: it does not; 2: it cannot be checked.
"""

import argparse
import base64
import binascii
import hashlib
import json
import pathlib
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def canonical(value):
    def ordered(item):
        if isinstance(item, dict):
            return {name: ordered(item[name]) for name in sorted(item, key=lambda text: text.encode("utf-16-be"))}
        return [ordered(one) for one in item] if isinstance(item, list) else item

    return json.dumps(ordered(value), ensure_ascii=False, separators=(",", ":"))


def open_note(note, key):
    """The size and the hash in a checkpoint, and whether it says that the records up to there were removed, if the key signed it;
    ValueError if not."""
    name, key_id, blob = key.strip().split("+", 2)
    text, _, signatures = note.rpartition("\n\n")
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(blob, validate=True)[1:])
    for line in signatures.splitlines():
        mark, signer, signature = (line.split(" ") + ["", ""])[:3]
        signature = base64.b64decode(signature, validate=True)
        if (mark, signer, signature[:4].hex()) == ("\u2014", name, key_id):
            try:
                public.verify(signature[4:], f"{text}\n".encode())
            except InvalidSignature as wrong:
                raise ValueError("the signature of a checkpoint is wrong") from wrong
            origin, size, digest, *others = text.split("\n")
            if origin == name:
                return (int(size), base64.b64decode(digest, validate=True).hex()), "removed" in others
    raise ValueError("a checkpoint is not signed by the key")


def verify(lines, key, kept=()):
    """What is wrong with an export, each as a sentence; nothing when it holds."""
    try:
        return list(problems(lines, key, dict(open_note(note, key)[0] for note in kept)))
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
        return [f"a line cannot be read: {error!r}"]


def problems(lines, key, known):
    size, head, tenant, signed = 0, "0" * 64, None, None
    for place, line in enumerate(lines):
        item = json.loads(line)
        if canonical(item) != line:
            yield f"line {place + 1} is not in canonical form"
        if "checkpoint" in item:
            signed, removed = open_note(item["checkpoint"], key)
            if place == 0:
                size, head = signed
                if not removed:
                    yield f"it begins after record {size}, and no note says that what came before was removed"
            elif signed != (size, head):
                yield f"the chain up to record {size} is another than a checkpoint says"
            continue
        if item["seq"] != size + 1:
            yield f"record {item['seq']} stands where {size + 1} was to come"
        if item["prev"] != head:
            yield f"record {item['seq']} does not follow from the one before it"
        if tenant not in (None, item["tenant"]):
            yield f"record {item['seq']} is another tenant's"
        size, head, tenant = item["seq"], hashlib.sha256(line.encode()).hexdigest(), item["tenant"]
        if known.get(size, head) != head:
            yield f"record {size} is another than a checkpoint says"
    if signed != (size, head) and size > 0:
        yield "no checkpoint stands at the end"
    if known and max(known) > size:
        yield f"records {size + 1} to {max(known)} are missing at the end"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("export", type=pathlib.Path)
    parser.add_argument("--key", type=pathlib.Path, required=True, help="the file with the public key")
    parser.add_argument("--checkpoint", type=pathlib.Path, action="append", default=[], help="one that was kept elsewhere")
    given = parser.parse_args()
    lines = given.export.read_text(encoding="utf-8").split("\n")
    kept = [file.read_text(encoding="utf-8") for file in given.checkpoint]
    found = verify(lines[:-1] if lines[-1] == "" else lines, given.key.read_text(encoding="utf-8"), kept)
    for problem in found:
        print(problem, file=sys.stderr)
    print(f"{len(found)} problems" if found else f"{len(lines) - 1} lines hold")
    return 1 if found else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, UnicodeDecodeError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
