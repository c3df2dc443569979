"""Receipts of every make, true and false, and what `troth_receipt.py` says of each.

    receipt_attacks.py RECEIPT POLICY

Prints a line of JSON for each case: what it is, the receipt, the policy and the record (base64 or
null), the exit code that `troth_receipt.py` gives, and where a person said so the one expected.
RECEIPT and POLICY are files of a real log, whose receipt is mutated too; all others are issued
here, by code that shares nothing with the product's: what makes a leaf, a node, a key id or a
signature is written out once more.
"""

import base64
import hashlib
import hmac
import itertools
import json
import random
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "attest" / "clients"))
import troth_receipt  # noqa: E402

ORIGIN = "example.com/guard-log"


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def b64(data):
    return base64.b64encode(data).decode()


def b64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def key_id(name, kind, public):
    return sha256(name.encode(), b"\n", bytes([kind]), public)[:4]


def verifier_key(name, kind, public):
    return f"{name}+{key_id(name, kind, public).hex()}+{b64(bytes([kind]) + public)}"


def signature_line(name, payload):
    return f"— {name} {b64(payload)}\n"


class Key:
    def __init__(self, name, seed, kind=1):
        self.secret = Ed25519PrivateKey.from_private_bytes(seed.to_bytes(32, "big"))
        self.name, self.kind = name, kind
        self.public = self.secret.public_key().public_bytes_raw()
        self.id = key_id(name, kind, self.public)

    def __str__(self):
        return verifier_key(self.name, self.kind, self.public)

    def line(self, text, time=1679315147):
        if self.kind == 1:
            payload = self.secret.sign(text.encode())
        else:
            message = f"cosignature/v1\ntime {time}\n{text}".encode()
            payload = time.to_bytes(8, "big") + self.secret.sign(message)
        return signature_line(self.name, self.id + payload)


LOG, OTHER = Key(ORIGIN, 1), Key(ORIGIN, 2)
WITNESSES = [Key(f"example.com/w{n}", 10 + n, 4) for n in range(4)]
POLICY = f"log {LOG}\nquorum none\n"


def witnessed(quorum):
    """A policy with four witnesses, some groups and this quorum."""
    lines = [f"log {LOG}"] + [f"witness w{n} {key}" for n, key in enumerate(WITNESSES)]
    lines += ["group two 2 w0 w1 w2", "group both all two w3"]
    return "\n".join(lines + [f"quorum {quorum}", ""])


def root(leaves):
    if len(leaves) <= 1:
        return leaves[0] if leaves else sha256()
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\1", root(leaves[:half]), root(leaves[half:]))


def path(index, leaves):
    if len(leaves) <= 1:
        return []
    half = 1 << (len(leaves) - 1).bit_length() - 1
    if index < half:
        return path(index, leaves[:half]) + [root(leaves[half:])]
    return path(index - half, leaves[half:]) + [root(leaves[:half])]


class Issue:
    """A receipt in parts, each of which a case may replace."""

    def __init__(self, entry, index=2, size=7, openings=None):
        leaves = [sha256(b"\0", b"%d" % n) for n in range(size)]
        leaves[index] = sha256(b"\0", entry)
        extra = {"record": b64url(entry)}
        if openings:
            extra["openings"] = openings
        self.header, self.index = "c2sp.org/tlog-proof@v1\n", f"index {index}\n"
        self.extra = f"extra {b64(canonical(extra))}\n"
        self.proof = [b64(node) + "\n" for node in path(index, leaves)]
        self.text = f"{ORIGIN}\n{size}\n{b64(root(leaves))}\n"
        self.lines = None

    def but(self, **parts):
        vars(self).update(parts)
        return self

    def signed(self, *keys):
        return self.but(lines="".join(key.line(self.text) for key in keys))

    def bytes(self):
        if self.lines is None:
            self.signed(LOG)
        parts = [
            self.header,
            self.extra,
            self.index,
            *self.proof,
            "\n",
            self.text,
            "\n",
            self.lines,
        ]
        return "".join(parts).encode("utf-8", "surrogatepass")


B32 = b64url(b"\7" * 32)
STATEMENT = {
    "at": 1,
    "key": "k",
    "records": [1, 2],
    "signature": "s",
    "statement": 'said "so"\n\u0001\u007f中文',
}
IN_FORCE = {"model": 2, "policy": 1, "settings": 3}
COVERAGE = {
    "bytes": 1, "cached": 1, "channel": "user", "detector": "d", "failed": 1, "segments": 1,
    "skipped": 1, "timed_out": 1, "tokens": 1, "truncated": 1,
}  # fmt: skip
ROUTE = dict.fromkeys(
    "aborted accepted allowed blocked dropped errored fail_open flagged forwarded redacted refused"
    " shadowed".split(),
    1,
)

# One record of each kind with every field that it may have.
KINDS = {
    "boot": {
        "configuration": B32, "follows": "note\n", "log_key": "k", "program": B32,
        "providers": ["cpu"], "quote": "q", "replica": "r", "version": "1",
    },
    "config": {
        "approved_by": ["me"], "digest": B32, "manifest": B32, "name": "n", "of": "policy",
        "version": "1",
    },
    "commitment": {"digest": B32, "from": 1, "id": "i", "key": "k", "to": 2},
    "intent": {
        "action": "prompt", "config": IN_FORCE, "cut": {"model": 9}, "dialect": "d",
        "end_user": "u", "exchange": "e", "model": "m", "overlap": True, "parent": "p",
        "principal": "p", "request": B32, "route": "r", "session": "s", "spki": B32, "tenant": "t",
        "upstream": "u",
    },
    "outcome": {
        "categories": ["c"], "commitments": ["c"], "coverage": [COVERAGE],
        "coverage_complete": True, "cut": {"detectors": 1},
        "decoded": [{"bytes": 1, "channel": "user", "segments": 1}],
        "detectors": [
            {"category": "c", "channel": "user", "count": 1, "detector": "d", "score_ppm": 1}
        ],
        "enforcement": "enforced", "exchange": "e", "intent": 1, "model": "m",
        "opaque": [{"bytes": 1, "media_type": "image/png"}], "policies": ["p"], "reason": "r",
        "released_after": 1, "released_before": 0, "request": B32, "response_released": B32,
        "response_upstream": B32, "timings_us": {"judge": 1}, "upstream_status": 200,
        "usage": {"input": 1, "output": 2}, "verdict": "block",
    },
    "toolcall": {
        "approval": "a", "approved": B32, "arguments": B32, "cut": {"tool": 1}, "definition": B32,
        "exchange": "e", "intent": 1, "number": 1, "policies": ["p"], "tool": "t", "verdict": "allow",
    },
    "approval": {
        "bundle": B32, "call": B32, "decision": "allow", "definition": B32, "exchange": "e",
        "expires": 1, "id": "i", "key": "k", "principal": "p", "signature": "s", "tenant": "t",
        "tool": "t",
    },
    "test": {
        "bank": B32, "config": IN_FORCE, "counts": {"c": {"passed": 1, "total": 2}}, "seed": 1,
    },
    "heartbeat": {"queue_depth": 1, "routes": {"r": ROUTE}},
    "incident": STATEMENT,
    "review": STATEMENT,
    "stop": STATEMENT,
    "anchor": {"checkpoint": "note\n"},
    "key": {"new": "n", "new_signature": "s", "old": "o", "old_signature": "t"},
    "erasure": {"count": 1, "day": "2026-11-23", "id": "i", "reason": "r"},
    "close": {"end": True, "intents": 1, "outcomes": 1},
    "hologram": {"anything": [{"at": ["all"]}]},
}  # fmt: skip

OTHER_VALUES = [
    None, True, False, 0, 1, -1, 1.0, 65535, 65536, 2**32, 2**53 - 1, 2**53, 10**30, "", "x",
    "block", B32, B32[:-1] + "d", B32 + "=", "\ud800", [], [[]], ["x"], [1], {}, {"a": {}}, {"a": 1},
    {"é": 1},
]  # fmt: skip


def whole(kind):
    return {**KINDS[kind], "kind": kind, "time": 42, "v": 1, "x": {"n": [{"deep": True}]}}


def other_records():
    """Each field of each kind left out, and with values of every other type; and each object with
    one field more."""

    def variants(value):
        if isinstance(value, dict):
            for name in value:
                yield f"without {name}", {k: v for k, v in value.items() if k != name}
                for what, other in variants(value[name]):
                    yield f"{name} {what}", {**value, name: other}
            yield "with another field", {**value, "y": 1}
        elif isinstance(value, list) and value:
            for what, other in variants(value[0]):
                yield f"[0] {what}", [other, *value[1:]]
        for other in OTHER_VALUES:
            yield f"as {other!r}", other

    for kind in KINDS:
        yield kind, 5 if kind == "hologram" else 0, canonical(whole(kind))
        for what, record in variants(whole(kind)):
            try:
                yield f"{kind} {what}", None, canonical(record)
            except UnicodeEncodeError:
                yield f"{kind} {what}", 1, json.dumps(record, sort_keys=True).encode()


def respelled_records():
    good = canonical(whole("outcome")).decode()
    for old, new in [
        ('"v":1', '"v":1,"v":1'),
        ('"v":1', '"v":01'),
        ('"v":1', '"v":1.0'),
        ('"v":1', '"v":1e0'),
        ('"v":1', '"v":-0'),
        ('"v":1', '"v":NaN'),
        ('"v":1', '"v": 1'),
        ("{", "{ "),
        ("}", "}\n"),
        ('"e"', '"\\u0065"'),
        ('"e"', '"\\/"'),
        ('"e"', '"\t"'),
        ('"e"', '"\\u001F"'),
        ("{", "\ufeff{"),
        ('"exchange":"e"', '"exchange":"e","exchange":"f"'),
        ('"x":{"n"', '"x":{"n":1,"n"'),
        ("{", "["),
        ("}", ""),
        (":1}", ":1},"),
    ]:
        yield f"outcome with {new!r} for {old!r}", 1, good.replace(old, new, 1).encode()
    for text in ['"e"', '"\\u0001"', '"\\b\\f\\n\\r\\t\\"\\\\"', '"\u2028\u007f😀"']:
        yield f"outcome with {text}", 0, good.replace('"e"', text, 1).encode()
    for kind, levels in (("close", 127), ("hologram", 127)):
        for depth in range(levels - 3, levels + 3):
            nested: list = []
            for _ in range(depth - 3):
                nested = [nested]
            yield f"{kind} {depth} deep", None, canonical({**whole(kind), "x": {"n": nested}})
    yield (
        "very deep",
        1,
        b'{"kind":"hologram","time":1,"v":1,"x":' + b"[" * 4000 + b"]" * 4000 + b"}",
    )
    later = {**whole("close"), "v": 2, "new": "field"}
    yield "a later version", 5, canonical(later)
    yield "a version past 2^53", 1, canonical({**later, "v": 2**60})
    for padding, code in ((8192, 0), (8193, 1)):
        record = whole("erasure")
        record["reason"] = "r" * (padding - len(canonical(record)) + 1)
        yield f"a record of {padding} bytes", code, canonical(record)
    yield "no JSON", 1, b"hello"
    yield "no bytes", 1, b""
    yield "a list", 1, b"[]"
    yield "no UTF-8", 1, b'{"kind":"\xff","time":1,"v":1}'
    yield "UTF-16", 1, '{"kind":"a","time":1,"v":1}'.encode("utf-16")


KEY = b"\3" * 32


def opened(content=b"hello", **fields):
    """An outcome that commits to its request, and what opens that."""
    commitment = b64url(hmac.new(KEY, content, "sha256").digest())
    return canonical({**whole("outcome"), "request": commitment, **fields})


def receipts():
    """Attacks on each part of a receipt."""
    entry = opened()

    def issue(**parts):
        return Issue(entry, openings={"request": b64url(KEY)}).but(**parts)

    good = issue()
    yield "a good receipt", 0, issue(), POLICY
    yield "another key", 1, issue().signed(OTHER), POLICY
    yield "both keys", 0, issue().signed(OTHER, LOG), POLICY
    yield "no signature", 1, issue(lines=""), POLICY
    for name, code in [
        ("index 3", 1),
        ("index 02", 1),
        ("index +2", 1),
        ("index 7", 1),
        ("index ٢", 1),
        ("index 4611686018427387904", 1),
        ("index 2 ", 1),
        ("index ", 1),
        ("Index 2", 1),
    ]:
        yield name, code, issue(index=name + "\n"), POLICY
    yield "two indexes", 1, issue(index="index 2\nindex 2\n"), POLICY
    yield "no index", 1, issue(index=""), POLICY
    for name, header in [
        ("version 2", "c2sp.org/tlog-proof@v2\n"),
        ("no header", ""),
        ("a BOM", "\ufeff" + good.header),
        ("CR after the header", good.header.replace("\n", "\r\n")),
    ]:
        yield name, 1, issue(header=header), POLICY
    proof = good.proof
    for name, hashes in [
        ("a hash too few", proof[1:]),
        ("a hash too many", proof + proof[:1]),
        ("no hashes", []),
        ("swapped hashes", proof[1::-1] + proof[2:]),
        ("a short hash", ["AAAA\n", *proof[1:]]),
        (
            "a hash with other trailing bits",
            [proof[0][:42] + chr(ord(proof[0][42]) + 1) + "=\n", *proof[1:]],
        ),
        ("64 hashes", proof[:1] * 64),
        ("a hash with a space", [" " + proof[0], *proof[1:]]),
    ]:
        yield name, 1, issue(proof=hashes), POLICY
    for name, extra in extras(entry):
        yield name, None, issue(extra=extra), POLICY
    for name, text, code in checkpoints(good.text):
        yield name, code, issue(text=text), POLICY
    for name, lines, code in signatures(good):
        yield name, code, issue(lines=lines), POLICY
    whole_text = issue().bytes().decode()
    yield "CRLF", 1, whole_text.replace("\n", "\r\n").encode(), POLICY
    yield "something after it", 1, whole_text.encode() + b"more\n", POLICY
    yield "no UTF-8", 1, whole_text.encode() + b"\xff", POLICY
    yield "nothing", 1, b"", POLICY
    yield "past a mebibyte", 1, whole_text.encode() + b"x" * 1024 * 1024, POLICY
    yield "of a tree of one", 0, Issue(entry, 0, 1), POLICY
    yield (
        "of an empty tree",
        1,
        Issue(entry, 0, 1).but(text=f"{ORIGIN}\n0\n{b64(sha256())}\n"),
        POLICY,
    )


def extras(entry):
    record, key = b64url(entry), b64url(KEY)

    def of(data):
        return f"extra {b64(data if isinstance(data, bytes) else canonical(data))}\n"

    openings = {"request": key}
    for name, extra in [
        ("openings of nothing", {"openings": {"arguments/0": key}, "record": record}),
        ("swapped openings", {"openings": {"response.released": key}, "record": record}),
        ("an opening that is none", {"openings": {"request": key[:-1]}, "record": record}),
        ("an opening of null", {"openings": {"request": None}, "record": record}),
        ("an opening by a name beyond ASCII", {"openings": {"é": key}, "record": record}),
        ("empty openings", {"openings": {}, "record": record}),
        ("a field more", {"openings": openings, "record": record, "x": 1}),
        ("no record", {"openings": openings}),
        ("a record of null", {"record": None}),
        ("an empty record", {"record": ""}),
        ("a padded record", {"record": record + "="}),
        ("a record in standard base64", {"record": b64(entry)}),
        ("another record", {"record": b64url(entry + b" ")}),
        ("a list", [record]),
    ]:
        yield f"extra: {name}", of(extra)
    text = canonical({"openings": openings, "record": record})
    for name, data in [
        ("a duplicate key", text.replace(b'"record"', b'"record":"","record"')),
        (
            "a duplicate opening",
            text.replace(b'"request"', f'"request":"{key}","request"'.encode()),
        ),
        ("white space", text.replace(b":", b": ")),
        ("an escape", text.replace(b"record", b"\\u0072ecord")),
        (
            "another order",
            json.dumps({"record": record, "openings": openings}, separators=(",", ":")).encode(),
        ),
        ("a BOM", b"\xef\xbb\xbf" + text),
        ("no JSON", b"x"),
        ("deep", b"[" * 20000),
        ("a great number", b"9" * 5000),
    ]:
        yield f"extra: {name}", of(data)
    line = of(text)
    for name, other in [
        ("two lines", line * 2),
        ("no base64", "extra !\n"),
        ("no padding", line.rstrip("=\n") + "\n"),
        ("a space more", line.replace("extra ", "extra  ")),
        ("CR", line.replace("\n", "\r\n")),
        ("an empty line", "extra \n"),
        ("none", ""),
    ]:
        yield f"extra: {name}", other


def checkpoints(text):
    """Texts that the log's own key signs."""
    origin, size, top = text.split("\n")[:3]
    for name, other, code in [
        ("an extension line", text + "more\n", 1),
        ("another origin", text.replace(ORIGIN, "example.com/other"), 1),
        ("no origin", text.replace(ORIGIN, ""), 1),
        ("a size with a zero", text.replace("\n7", "\n07"), 1),
        ("a signed size", text.replace("\n7", "\n+7"), 1),
        ("a great size", text.replace("\n7", f"\n{1 << 62}"), 1),
        ("a size of 30 digits", text.replace("\n7", "\n" + "7" * 30), 1),
        ("another size", text.replace("\n7", "\n9"), 1),
        ("no size", f"{origin}\n\n{top}\n", 1),
        ("a size in other digits", text.replace("\n7", "\n７"), 1),
        ("a short root", text.replace(top, top[4:]), 1),
        ("other trailing bits", text.replace(top, top[:42] + chr(ord(top[42]) + 1) + "="), 1),
        ("one line", origin + "\n", 1),
        ("a tab", text.replace("\n7", "\n\t7"), 1),
        ("CRLF", text.replace("\n", "\r\n"), 1),
        ("a blank line in it", f"{origin}\n\n{size}\n{top}\n", 1),
        ("only a newline", "\n", 1),
    ]:
        yield f"checkpoint: {name}", other, code


def signatures(good):
    text, line = good.text, LOG.line(good.text)
    grease = f"— grease {b64(b'12345')}\n"
    bad = signature_line(ORIGIN, LOG.id + bytes(64))
    short = signature_line(ORIGIN, LOG.id + bytes(63))
    yield "unknown signatures", grease + line + grease, 0
    yield "16 unknown signatures", line + grease * 16, 0
    yield "64 signatures", line + grease * 63, 0
    yield "65 signatures", line + grease * 64, 1
    yield "only unknown signatures", grease, 1
    yield "a known key's false signature", line + bad, 1
    yield "a known key's short signature", line + short, 1
    yield "the same signature twice", line * 2, 0
    yield "a line of a stranger with the log's name", line + OTHER.line(text), 0
    yield "a signature with another S", line.replace(line[-8:], "AAAAA==\n"), 1
    order = 2**252 + 27742317777372353535851937790883648493
    raw = LOG.secret.sign(text.encode())
    larger = raw[:32] + (int.from_bytes(raw[32:], "little") + order).to_bytes(32, "little")
    yield "S past the group's order", signature_line(ORIGIN, LOG.id + larger), 1
    # The nonce's point is the neutral one: whoever has the key can make such signatures.
    secret = hashlib.sha512((1).to_bytes(32, "big")).digest()
    scalar = int.from_bytes(secret[:32], "little") & ~7 & (1 << 254) - 1 | 1 << 254
    point = (1).to_bytes(32, "little")
    challenge = int.from_bytes(
        hashlib.sha512(point + LOG.public + text.encode()).digest(), "little"
    )
    weak = point + (challenge * scalar % order).to_bytes(32, "little")
    yield "a nonce of small order", signature_line(ORIGIN, LOG.id + weak), 1
    for name, other in [
        ("no newline", line[:-1]),
        ("a hyphen", line.replace("—", "-")),
        ("two spaces", line.replace(" ", "  ", 1)),
        ("four bytes", line + f"— x {b64(b'1234')}\n"),
        ("no payload", line + "— x \n"),
        ("no name", line + "—  AAAAAAAA\n"),
        ("base64 without padding", line + "— x MTIzNDU\n"),
        ("other trailing bits", line + "— x MTIzNDV=\n"),
        ("base64url", line + "— x __-_____\n"),
        ("a word more", line + "— x AAAAAAAA y\n"),
        ("a blank line", line + "\n"),
        ("a blank line between", line + "\n" + grease),
        ("a tab", line + "—\tx AAAAAAAA\n"),
        ("CRLF", line.replace("\n", "\r\n")),
        ("base64 beyond ASCII", line + "— x AAAAAAAé\n"),
    ]:
        yield f"signature: {name}", other, 1
    for name, code in [
        ("x" * 256, 0),
        ("x" * 257, 1),
        ("é" * 128, 0),
        ("é" * 129, 1),
        ("a+b", 1),
        ("a\u00a0b", 1),
        ("a\u0085b", 1),
        ("a\u200bb", 0),
        ("a\u3000b", 1),
        ("a\u180eb", 0),
        ("a\u007fb", 1),
        ("a\u2028b", 1),
        ("a\ufeffb", 0),
        ("a\u205fb", 1),
        ("a\u009fb", 1),
        ("a\u00adb", 0),
    ]:
        yield f"a signature by {name[:9]!r}", line + f"— {name} AAAAAAAA\n", code
    yield "witnesses nobody asked for", line + "".join(w.line(text) for w in WITNESSES), 0


def quorums():
    entry = opened()
    for quorum in ["none", "w0", "two", "both"]:
        for cosigned in range(16):
            keys = [key for n, key in enumerate(WITNESSES) if cosigned >> n & 1]
            two = bin(cosigned & 7).count("1") >= 2
            holds = {"none": True, "w0": cosigned & 1, "two": two, "both": two and cosigned & 8}
            code = 0 if holds[quorum] else 3
            yield (
                f"{quorum} of {cosigned:04b}",
                code,
                Issue(entry).signed(LOG, *keys),
                witnessed(quorum),
            )
    issue = Issue(entry)
    first = WITNESSES[0]
    false = signature_line(first.name, first.id + bytes(72))
    short = signature_line(first.name, first.id + bytes(7))
    line, cosigned = LOG.line(issue.text), first.line(issue.text)
    for name, lines, code in [
        ("a false cosignature", line + cosigned + false, 1),
        ("a short cosignature", line + short, 1),
        ("two cosignatures", line + cosigned + WITNESSES[0].line(issue.text, 2**64 - 1), 0),
        ("a cosignature at time 0", line + WITNESSES[0].line(issue.text, 0), 0),
        ("a cosignature alone", cosigned, 1),
        (
            "a log's signature for a cosignature",
            line + signature_line(first.name, first.id + first.secret.sign(issue.text.encode())),
            1,
        ),
    ]:
        yield name, code, Issue(entry).but(lines=lines), witnessed("w0")
    # What fails first decides: a record elsewhere is worse than a witness too few.
    yield "no quorum and a wrong index", 1, Issue(entry).but(index="index 3\n"), witnessed("w0")
    yield "no quorum and no record", 64, Issue(entry).but(extra=""), witnessed("w0")
    yield "no quorum and a malformed record", 3, Issue(b"hello"), witnessed("w0")


def policies():
    """Policy files for a receipt that holds."""
    entry, log, w = opened(), f"log {LOG}\n", f"witness w {WITNESSES[0]}\n"
    key = str(LOG)
    point = Key(ORIGIN, 1)

    for name, text, code in [
        ("nothing", "", 64),
        ("no quorum", log, 64),
        ("no log", "quorum none\n", 1),
        ("two quorums", log + "quorum none\n" * 2, 64),
        ("no last newline", log + "quorum none", 0),
        ("comments and tabs", f"# c\n\n\t log\t{key} \t\n#\n quorum  none \n", 0),
        ("an address", f"log {key} https://x/\nquorum none\n", 0),
        ("a word more", f"log {key} a b\nquorum none\n", 64),
        ("a comment after it", f"log {key} # c\nquorum none\n", 64),
        ("CRLF", (log + "quorum none\n").replace("\n", "\r\n"), 64),
        ("a BOM", "\ufeff" + log + "quorum none\n", 64),
        ("another verb", log + "quorun none\n", 64),
        ("a capital", "Log" + log[3:] + "quorum none\n", 64),
        ("the log twice", log * 2 + "quorum none\n", 64),
        ("a witness's key as log", f"log {WITNESSES[0]}\nquorum none\n", 64),
        ("a log's key as witness", log + f"witness w {key}\nquorum none\n", 64),
        ("a witness twice", log + w + w.replace(" w ", " v ") + "quorum none\n", 64),
        ("a name twice", log + w + f"witness w {WITNESSES[1]}\nquorum none\n", 64),
        ("a witness called none", log + w.replace(" w ", " none ") + "quorum none\n", 64),
        ("a name beyond ASCII", log + w.replace(" w ", " é ") + "quorum é\n", 3),
        ("a space beyond ASCII", f"log\u00a0{key}\nquorum none\n", 64),
        ("an unknown quorum", log + "quorum w\n", 64),
        ("a quorum before its witness", log + "quorum w\n" + w, 64),
        ("a quorum before the log", "quorum none\n" + log, 0),
        ("a delete character", log + "# \x7f\nquorum none\n", 64),
        (
            "upper-case hash",
            log.replace(LOG.id.hex(), LOG.id.hex().upper()) + "quorum none\n",
            64 if LOG.id.hex().upper() != LOG.id.hex() else 0,
        ),
        ("another hash", log.replace(LOG.id.hex(), "00000000") + "quorum none\n", 64),
        ("a short hash", log.replace(LOG.id.hex(), LOG.id.hex()[1:]) + "quorum none\n", 64),
        ("no key", "log\nquorum none\n", 64),
        ("half a key", f"log {ORIGIN}\nquorum none\n", 64),
        ("a key without padding", log.rstrip("=\n") + "x\nquorum none\n", 64),
        ("an unknown algorithm", f"log {verifier_key(ORIGIN, 2, point.public)}\nquorum none\n", 64),
        (
            "a key of 31 bytes",
            f"log {verifier_key(ORIGIN, 1, point.public[:31])}\nquorum none\n",
            64,
        ),
        (
            "a key of 33 bytes",
            f"log {verifier_key(ORIGIN, 1, point.public + b'x')}\nquorum none\n",
            64,
        ),
        (
            "another log's name",
            f"log {verifier_key('example.com/x', 1, point.public)}\nquorum none\n",
            1,
        ),
        ("a name with a plus", f"log {verifier_key('a+b', 1, point.public)}\nquorum none\n", 64),
        ("no name", f"log {verifier_key('', 1, point.public)}\nquorum none\n", 64),
        ("a long name", f"log {verifier_key('x' * 257, 1, point.public)}\nquorum none\n", 64),
    ]:
        yield f"policy: {name}", code, Issue(entry), text
    # Bytes that are points of the curve and that are none.
    for y in [
        0,
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        8,
        9,
        2**255 - 20,
        2**255 - 19,
        2**255 - 18,
        2**255 - 17,
        2**255 - 1,
        2**256 - 1,
        2**255,
        2**255 + 1,
    ]:
        text = f"log {verifier_key(ORIGIN, 1, y.to_bytes(32, 'little'))}\nlog {LOG}\nquorum none\n"
        yield f"policy: y = {y}", None, Issue(entry), text
    small = bytes([1]) + bytes(31)
    weak = signature_line(ORIGIN, key_id(ORIGIN, 1, small) + small + bytes(32))
    yield (
        "policy: a key of small order",
        1,
        Issue(entry).but(lines=weak),
        f"log {verifier_key(ORIGIN, 1, small)}\nquorum none\n",
    )
    two = w + f"witness v {WITNESSES[1]}\n"
    for threshold in [
        "0",
        "1",
        "2",
        "3",
        "+1",
        "-1",
        "01",
        "001",
        "any",
        "all",
        "Any",
        "1.0",
        "",
        "x",
        "99999999999999999999",
        "١",
        "+",
    ]:
        text = f"{log}{two}group g {threshold} w v\nquorum g\n"
        yield f"policy: a threshold of {threshold!r}", None, Issue(entry), text
    for group in [
        "group g any",
        "group g all",
        "group g any w w",
        "group g any x",
        "group w any v",
        "group none any w",
        "group g any w\ngroup h any w",
        "group g any w\ngroup h any g v\ngroup i any h",
        "group g any g",
        "group",
        "group g",
    ]:
        yield f"policy: {group!r}", None, Issue(entry), f"{log}{two}{group}\nquorum none\n"
    for count, code in ((256, 3), (257, 64)):
        many = "".join(f"witness m{n} {Key('example.com/m', 1000 + n, 4)}\n" for n in range(count))
        yield f"policy: {count} witnesses", code, Issue(entry), log + many + "quorum m0\n"
    yield "policy: past a mebibyte", 64, Issue(entry), log + "quorum none\n" + "#" * 1024 * 1024


def mutations(receipt, policy):
    """One byte of a real receipt flipped, removed or doubled, all over it."""
    chance = random.Random(7)
    for at in range(len(receipt)):
        if at % 5 == 0:
            flipped = bytes([receipt[at] ^ 1 << chance.randrange(8)])
            yield f"byte {at} flipped", None, receipt[:at] + flipped + receipt[at + 1 :], policy
        if at % 11 == 0:
            yield f"byte {at} removed", None, receipt[:at] + receipt[at + 1 :], policy
        if at % 13 == 0:
            yield f"byte {at} doubled", None, receipt[: at + 1] + receipt[at:], policy
    lines = receipt.split(b"\n")
    for at in range(len(lines)):
        yield f"line {at} removed", None, b"\n".join(lines[:at] + lines[at + 1 :]), policy
        yield f"line {at} doubled", None, b"\n".join(lines[: at + 1] + lines[at:]), policy
        yield f"cut after line {at}", None, b"\n".join(lines[:at]), policy


VECTORS = """log example.com/guard-log+443cd582+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4
witness w1 example.com/w1+4bafb710+BCmsuuFBvMrwsi4alNNNC8c2HlJtC/4SyJeUvJMilm3X
quorum none
"""


def kept(target):
    """What fuzzing kept of a target: each input is its length and its bytes."""
    rest = (ROOT / "tests" / "fuzz" / "corpus" / target).read_bytes()
    while rest:
        end = 4 + int.from_bytes(rest[:4], "big")
        yield rest[4:end]
        rest = rest[end:]


def fuzzed():
    """The same receipts, policies and records that the fuzzer found to take different ways."""
    for number, receipt in enumerate(kept("receipt")):
        for quorum in ("none", "w1"):
            policy = VECTORS.replace("none", quorum)
            yield f"fuzzed receipt {number}, quorum {quorum}", None, receipt, policy
    for number, record in enumerate(kept("record")):
        yield f"fuzzed record {number}", None, Issue(record), POLICY
    issue = Issue(opened())
    for number, data in enumerate(kept("policy")):
        try:
            yield f"fuzzed policy {number}", None, issue, data.decode()
        except UnicodeDecodeError:
            continue


def everything(receipt, policy):
    yield "the real receipt", 0, receipt, policy, None
    yield "the real receipt and another record", 1, receipt, policy, b"{}"
    for what, expected, entry in [*other_records(), *respelled_records()]:
        yield what, expected, Issue(entry), POLICY, None
    entry = opened()
    yield "the record from outside", 0, Issue(entry).but(extra=""), POLICY, entry
    yield "no record at all", 64, Issue(entry).but(extra=""), POLICY, None
    yield "another record from outside", 1, Issue(entry), POLICY, entry + b" "
    groups = [receipts(), quorums(), policies(), fuzzed(), mutations(receipt, policy)]
    for what, expected, made, trusted in itertools.chain(*groups):
        yield what, expected, made, trusted, None


def verdict(receipt, policy, entry):
    try:
        return troth_receipt.verify_receipt(receipt, policy, entry).exit_code
    except (troth_receipt.BadReceipt, troth_receipt.BadPolicy) as fault:
        return fault.exit_code


def main(receipt, policy):
    receipt, policy = Path(receipt).read_bytes(), Path(policy).read_text()
    for what, expected, made, trusted, entry in everything(receipt, policy):
        data = made if isinstance(made, bytes) else made.bytes()
        code = verdict(data, trusted, entry)
        case = {"what": what, "receipt": b64(data), "policy": trusted, "code": code}
        print(json.dumps({**case, "entry": entry and b64(entry), "expected": expected}))


if __name__ == "__main__":
    main(*sys.argv[1:])
