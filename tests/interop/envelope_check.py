"""The sealed record, written a second time, in Python over `cryptography`.

It shares no code with the Rust implementation: both were written from the format alone. It opens
the records in `opsconductor-core/testdata/envelope.json` and seals them anew to the same bytes; the
unit tests of the core do the same with the same file, so either side's records open on the other.

Run with `pytest envelope_check.py`; `python envelope_check.py --write` prints the vectors anew.
"""

import copy
import hashlib
import json
import pathlib
import struct
import sys

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

VECTORS = pathlib.Path(__file__).parents[2] / "opsconductor-core" / "testdata" / "envelope.json"


class DoesNotOpen(Exception):
    """The bytes are not a record, or not one that opens here."""


def associated_data(context: dict[str, str]) -> bytes:
    parts = []
    for key in sorted(context, key=lambda text: text.encode()):
        for text in (key, context[key]):
            parts.append(struct.pack("<I", len(text.encode())) + text.encode())
    return b"".join(parts)


def hkdf(algorithm, length: int, salt: bytes, info: bytes, key: bytes) -> bytes:
    return HKDF(algorithm=algorithm, length=length, salt=salt, info=info).derive(key)


def default_key_id(kek: bytes) -> str:
    return hashlib.sha256(kek).hexdigest()[:16]


def seal(kek, key_id, plaintext, context, *, data_key, nonce, wrap_nonce) -> bytes:
    bound = associated_data(context)
    bound_hash = hashlib.sha256(bound).digest()
    one_time = hkdf(hashes.SHA256(), 32, wrap_nonce[:12], b"OAV1/wrap", kek)
    wrapped = AESGCM(one_time).encrypt(
        wrap_nonce[12:], data_key, b"OAV1/wrap" + key_id.encode() + bound_hash
    )
    keys = hkdf(hashes.SHA512(), 64, nonce, b"OAV1/data" + bound_hash, data_key)
    body = AESGCM(keys[:32]).encrypt(nonce, plaintext, bound)
    head = b"OAV1\x01" + bytes([len(key_id.encode())]) + key_id.encode()
    return head + wrap_nonce + wrapped + keys[32:] + nonce + body


def open_record(keks: dict[str, bytes], sealed: bytes, context: dict[str, str]) -> bytes:
    if sealed[:5] != b"OAV1\x01" or len(sealed) < 6:
        raise DoesNotOpen("not a record of suite 1")
    id_end = 6 + sealed[5]
    key_id = sealed[6:id_end].decode()
    fields = []
    at = id_end
    for length in (24, 48, 32, 12):
        fields.append(sealed[at : at + length])
        at += length
    wrap_nonce, wrapped, commitment, nonce = fields
    if len(sealed) < at + 16 or key_id not in keks:
        raise DoesNotOpen("cut short, or an unknown key")
    bound = associated_data(context)
    bound_hash = hashlib.sha256(bound).digest()
    one_time = hkdf(hashes.SHA256(), 32, wrap_nonce[:12], b"OAV1/wrap", keks[key_id])
    try:
        data_key = AESGCM(one_time).decrypt(
            wrap_nonce[12:], wrapped, b"OAV1/wrap" + key_id.encode() + bound_hash
        )
        keys = hkdf(hashes.SHA512(), 64, nonce, b"OAV1/data" + bound_hash, data_key)
        if keys[32:] != commitment:
            raise DoesNotOpen("the commitment does not hold")
        return AESGCM(keys[:32]).decrypt(nonce, sealed[at:], bound)
    except InvalidTag as error:
        raise DoesNotOpen("a tag does not hold") from error


def vectors() -> list[dict]:
    return json.loads(VECTORS.read_text())


def parts(vector: dict) -> dict:
    names = ("kek", "data_key", "nonce", "wrap_nonce", "plaintext", "sealed")
    return {name: bytes.fromhex(vector[name]) for name in names if name in vector}


def seal_vector(vector: dict) -> bytes:
    raw = parts(vector)
    key_id = vector.get("key_id") or default_key_id(raw["kek"])
    random = {name: raw[name] for name in ("data_key", "nonce", "wrap_nonce")}
    return seal(raw["kek"], key_id, raw["plaintext"], vector["context"], **random)


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector["name"])
def test_opens_what_the_vectors_hold(vector):
    raw = parts(vector)
    key_id = vector.get("key_id") or default_key_id(raw["kek"])
    assert open_record({key_id: raw["kek"]}, raw["sealed"], vector["context"]) == raw["plaintext"]


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector["name"])
def test_seals_to_the_same_bytes(vector):
    assert seal_vector(vector).hex() == vector["sealed"]


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector["name"])
def test_opens_nowhere_else_and_not_when_altered(vector):
    raw = parts(vector)
    key_id = vector.get("key_id") or default_key_id(raw["kek"])
    keks = {key_id: raw["kek"]}
    elsewhere = copy.deepcopy(vector["context"]) | {"tenant": "another"}
    with pytest.raises(DoesNotOpen):
        open_record(keks, raw["sealed"], elsewhere)
    for at in range(6 + len(key_id), len(raw["sealed"])):
        altered = bytearray(raw["sealed"])
        altered[at] ^= 1
        with pytest.raises(DoesNotOpen):
            open_record(keks, bytes(altered), vector["context"])


if __name__ == "__main__" and "--write" in sys.argv:
    for each in (written := vectors()):
        each["sealed"] = seal_vector(each).hex()
    print(json.dumps(written, indent=2, ensure_ascii=False))
