#!/usr/bin/env python3
"""Checks Troth receipts: that a record of what became of your request is in a signed log.

A receipt is a C2SP tlog-proof file. It is checked offline, with nothing but a policy file that
says which log and witness keys are believed; no key is ever taken from a receipt or from a log.
One file, the standard library and `cryptography`; Python 3.9 or later. It accepts and refuses
exactly what `troth-audit receipt` does, with the same exit codes.

As a module:

    import troth_receipt

    receipt = troth_receipt.fetch("http://127.0.0.1:8080", response.headers["troth-exchange"], key)
    verified = troth_receipt.verify_receipt(receipt, open("troth.policy").read())
    assert verified.record["exchange"] == response.headers["troth-exchange"]
    assert verified.confirms("request", request_body)
    assert verified.confirms("response.released", response_body)

As a command:

    python troth_receipt.py RECEIPT --policy FILE [--entry FILE] [--content FIELD=FILE]... [--json]

Exit codes: 0 all holds; 1 forged, damaged or other content; 3 too few witnesses; 5 the record is of
a kind or version that this program does not know; 64 bad usage or policy, or no record at hand; 74
a file cannot be read.

What it trusts: the policy file, entirely; the text of the receipt, for nothing. What it proves: the
record is in the tree that the log (and the witnesses whom the policy asks for) signed, and content
that `confirms` is what the record commits to. Compare `record["exchange"]` with your own response's
`Troth-Exchange` header: a receipt of somebody else's exchange verifies too.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Set, Tuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

__all__ = [
    "BadPolicy",
    "BadReceipt",
    "NoRecord",
    "TrustPolicy",
    "Unavailable",
    "Unwitnessed",
    "VerifiedReceipt",
    "fetch",
    "from_header",
    "from_stream",
    "of_response",
    "verify_receipt",
]


class BadReceipt(Exception):
    """The receipt does not hold."""

    exit_code = 1


class Unwitnessed(BadReceipt):
    """The log signed, but too few of the policy's witnesses cosigned."""

    exit_code = 3


class NoRecord(BadReceipt):
    """Neither the receipt nor the caller has the record: pass it as `entry`."""

    exit_code = 64


class BadPolicy(ValueError):
    """The policy file is malformed."""

    exit_code = 64


class Unavailable(Exception):
    """The proxy gave no receipt; `status` is its HTTP status, or None."""

    def __init__(self, status: Optional[int], what: str):
        super().__init__(what)
        self.status = status


# --- encodings -----------------------------------------------------------------------------------


def _base64(text: str, url: bool = False) -> Optional[bytes]:
    """Decodes the one canonical spelling: padded standard base64, or unpadded base64url."""
    altchars = b"-_" if url else b"+/"
    try:
        raw = text.encode("ascii")
        padded = raw + b"=" * (-len(raw) % 4) if url else raw
        data = base64.b64decode(padded, altchars, validate=True)
    except (UnicodeEncodeError, ValueError):
        return None
    again = base64.b64encode(data, altchars)
    return data if (again.rstrip(b"=") if url else again) == raw else None


def _decimal(text: str) -> Optional[int]:
    """A decimal without sign or leading zeros, below 2^62."""
    if re.fullmatch(r"0|[1-9][0-9]{0,18}", text) is None:
        return None
    value = int(text)
    return value if value < 1 << 62 else None


def _hash(text: str) -> Optional[bytes]:
    data = _base64(text) if len(text) == 44 else None
    return data if data is not None and len(data) == 32 else None


def _text(data: bytes, what: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise BadReceipt(f"{what} is not text") from None


def _sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


# --- keys ----------------------------------------------------------------------------------------

_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P
# The y coordinates of the eight points whose order divides 8: a signature that has one of them as
# key or as nonce says nothing about who made it.
_Y8 = int.from_bytes(
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
)
_SMALL_ORDER = {0, 1, _P - 1, _Y8, _P - _Y8}


def _y(point: bytes) -> int:
    return (int.from_bytes(point, "little") & ((1 << 255) - 1)) % _P


def _is_point(point: bytes) -> bool:
    y2 = _y(point) ** 2 % _P
    x2 = (y2 - 1) * pow(_D * y2 + 1, -1, _P) % _P
    return pow(x2, (_P - 1) // 2, _P) in (0, 1)


# Unicode's White_Space, beyond the control characters.
_SPACES = set("\u0020\u00a0\u1680\u2028\u2029\u202f\u205f\u3000") | set(
    map(chr, range(0x2000, 0x200B))
)


def _is_name(name: str) -> bool:
    bad = any(c in _SPACES or c < " " or "\x7f" <= c <= "\x9f" or c == "+" for c in name)
    return 0 < len(name.encode("utf-8", "surrogatepass")) <= 256 and not bad


@dataclass(frozen=True)
class _Key:
    """A verifier key, `name+hash+base64`. Kind 1 signs notes, kind 4 cosigns them."""

    name: str
    id: bytes
    kind: int
    public: bytes

    @staticmethod
    def parse(text: str) -> _Key:
        parts = text.split("+", 2)
        if len(parts) != 3 or re.fullmatch(r"[0-9a-f]{8}", parts[1]) is None:
            raise ValueError("not a note key: expected `name+hash+key`")
        name, stated, encoded = parts
        data = _base64(encoded)
        if data is None or len(data) != 33 or data[0] not in (1, 4):
            raise ValueError("not an Ed25519 note key or cosignature key")
        key = _Key(name, _sha256(name.encode(), b"\n", data)[:4], data[0], data[1:])
        if not _is_name(name) or not _is_point(key.public):
            raise ValueError("the key's name or its bytes are not valid")
        if key.id.hex() != stated:
            raise ValueError("the key's hash does not belong to its name and key")
        return key

    def holds(self, message: bytes, signature: bytes) -> bool:
        if len(signature) != 64 or {_y(self.public), _y(signature[:32])} & _SMALL_ORDER:
            return False
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


# --- policies ------------------------------------------------------------------------------------


@dataclass
class TrustPolicy:
    """A C2SP tlog-policy file: logs, witnesses, and how many must have cosigned."""

    logs: List[_Key] = field(default_factory=list)
    witnesses: Dict[str, _Key] = field(default_factory=dict)
    groups: Dict[str, Tuple[int, List[str]]] = field(default_factory=dict)
    quorum: str = ""

    @staticmethod
    def parse(text: str) -> TrustPolicy:
        """Reads a policy file; raises `BadPolicy` with the line."""
        if len(text.encode("utf-8", "surrogatepass")) > 1024 * 1024:
            raise BadPolicy("the policy is too large")
        policy, used = TrustPolicy(), set()  # type: Tuple[TrustPolicy, Set[str]]
        for number, line in enumerate(text.split("\n"), 1):
            try:
                if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", line):
                    raise ValueError("control characters are not allowed")
                policy._line([word for word in re.split(r"[ \t]", line) if word], used)
            except ValueError as fault:
                raise BadPolicy(f"line {number} of the policy: {fault}") from None
        if not policy.quorum:
            raise BadPolicy("expected one `quorum` line in the policy")
        return policy

    def _line(self, words: List[str], used: Set[str]) -> None:
        verb, count = (words[0] if words else "#"), len(words)
        if verb.startswith("#"):
            return
        if verb == "log" and count in (2, 3):
            key = self._key(words[1], 1, self.logs)
            self.logs.append(key)
        elif verb == "witness" and count in (3, 4):
            key = self._key(words[2], 4, list(self.witnesses.values()))
            self._define(words[1])
            self.witnesses[words[1]] = key
        elif verb == "group" and count >= 3:
            self._group(words[1], words[2], words[3:], used)
        elif verb == "quorum" and count == 2:
            if self.quorum:
                raise ValueError("there must be one `quorum` line")
            if words[1] != "none" and not self._is_defined(words[1]):
                raise ValueError("the quorum names what is not yet defined")
            self.quorum = words[1]
        else:
            raise ValueError("expected `log`, `witness`, `group` or `quorum`")
        if max(len(self.logs), len(self.witnesses), len(self.groups)) > 256:
            raise ValueError("too many lines of one kind")

    @staticmethod
    def _key(text: str, kind: int, known: List[_Key]) -> _Key:
        key = _Key.parse(text)
        if key.kind != kind:
            raise ValueError("a log's key must be of type 01, a witness's of type 04")
        if any(key.public == other.public for other in known):
            raise ValueError("this key is listed twice")
        return key

    def _group(self, name: str, threshold: str, members: List[str], used: Set[str]) -> None:
        for member in members:
            if not self._is_defined(member):
                raise ValueError("a group names what is not yet defined")
            if member in used:
                # Otherwise one witness could count twice towards a quorum.
                raise ValueError("a name may be a member of one group only")
            used.add(member)
        if threshold in ("any", "all"):
            needed = 1 if threshold == "any" else len(members)
        elif re.fullmatch(r"\+?[0-9]+", threshold) and len(threshold.lstrip("+0")) < 10:
            needed = int(threshold)
        else:
            raise ValueError("expected `all`, `any` or a number")
        if not 1 <= needed <= len(members):
            raise ValueError("the threshold must lie between 1 and the number of members")
        self._define(name)
        self.groups[name] = (needed, members)

    def _is_defined(self, name: str) -> bool:
        return name in self.witnesses or name in self.groups

    def _define(self, name: str) -> None:
        if name == "none" or self._is_defined(name):
            raise ValueError("this name is already taken")

    def satisfied_by(self, cosigned: Set[str]) -> bool:
        """Whether these witnesses, by name, satisfy the quorum."""
        met = set(cosigned)
        # A group names only earlier groups, so one pass in order settles all.
        for name, (needed, members) in self.groups.items():
            if sum(member in met for member in members) >= needed:
                met.add(name)
        return self.quorum == "none" or self.quorum in met


# --- checkpoints ---------------------------------------------------------------------------------


class _Head(NamedTuple):
    origin: str
    size: int
    root: bytes
    witnesses: List[Tuple[str, int]]
    quorum: bool


def _signature_lines(signatures: str) -> List[Tuple[str, bytes, bytes]]:
    """Name, key id and signature of each line."""
    bad = BadReceipt("the checkpoint has no well-formed signature lines")
    if not signatures.endswith("\n"):
        raise bad
    lines = []
    for line in signatures[:-1].split("\n"):
        name, separator, encoded = line[2:].partition(" ")
        data = _base64(encoded)
        if not line.startswith("\u2014 ") or not separator or not _is_name(name):
            raise bad
        if data is None or len(data) < 5:
            raise bad
        lines.append((name, data[:4], data[4:]))
        if len(lines) > 64:
            raise BadReceipt("the checkpoint has too many signatures")
    return lines


def _verified_head(note: bytes, policy: TrustPolicy) -> _Head:
    """Checks a signed checkpoint. Unknown signatures are ignored; a known key whose signature does
    not verify refuses the whole, and so does a checkpoint that no known log signed."""
    if len(note) > 512 * 1024:
        raise BadReceipt("the checkpoint is too large")
    whole = _text(note, "the checkpoint")
    if re.search(r"[\x00-\x09\x0b-\x1f]", whole):
        raise BadReceipt("the checkpoint is not plain text")
    body, blank, signatures = whole.rpartition("\n\n")
    if not blank:
        raise BadReceipt("the checkpoint has no well-formed signature lines")
    text = body + "\n"
    lines = _signature_lines(signatures)

    def of(key: _Key) -> List[bytes]:
        return [signature for name, id, signature in lines if (name, id) == (key.name, key.id)]

    signers = set()
    for key in policy.logs:
        for signature in of(key):
            if not key.holds(text.encode(), signature):
                raise BadReceipt("a signature by a known key does not verify")
            signers.add(key.name)
    cosigned: Dict[str, int] = {}
    for name, key in policy.witnesses.items():
        for payload in of(key):
            time = int.from_bytes(payload[:8], "big")
            message = f"cosignature/v1\ntime {time}\n{text}".encode()
            if len(payload) < 8 or not key.holds(message, payload[8:]):
                raise BadReceipt("a signature by a known witness does not verify")
            cosigned[name] = max(time, cosigned.get(name, 0))
    if not signers:
        raise BadReceipt("no known key signed the checkpoint")

    parts = text[:-1].split("\n")
    size = _decimal(parts[1]) if len(parts) == 3 else None
    root = _hash(parts[2]) if len(parts) == 3 else None
    if not parts[0] or size is None or root is None or (size == 0 and root != _sha256()):
        raise BadReceipt("the checkpoint is not origin, size and root")
    # A key signs for the log that it names, and for no other.
    if parts[0] not in signers:
        raise BadReceipt("the checkpoint is of another log")
    return _Head(parts[0], size, root, list(cosigned.items()), policy.satisfied_by(set(cosigned)))


def _check_inclusion(leaf: bytes, index: int, size: int, proof: List[bytes], root: bytes) -> None:
    """RFC 9162, section 2.1.3.2."""
    if index >= size:
        raise BadReceipt(f"index {index} is not in a tree of size {size}")
    place, last, node = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise BadReceipt("the proof has the wrong length")
        if place & 1 or place == last:
            node = _sha256(b"\x01", sibling, node)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            node = _sha256(b"\x01", node, sibling)
        place, last = place >> 1, last >> 1
    if last != 0:
        raise BadReceipt("the proof has the wrong length")
    if node != root:
        raise BadReceipt("the proof does not lead to the root")


# --- records -------------------------------------------------------------------------------------

_MAX_INTEGER = 2**53 - 1


def _canonical(data: bytes) -> Any:
    """Reads canonical JSON (a strict subset of RFC 8785), or raises ValueError."""

    def check(value: Any, depth: int) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                if not key.isascii():
                    raise ValueError("a key beyond ASCII")
                check(item, deeper(depth))
        elif isinstance(value, list):
            for item in value:
                check(item, deeper(depth))
        elif isinstance(value, int) and not isinstance(value, bool):
            if not 0 <= value <= _MAX_INTEGER:
                raise ValueError("an integer beyond 2^53 - 1")
        elif not isinstance(value, (bool, str)):
            raise ValueError("a number or null that canonical JSON does not have")

    def deeper(depth: int) -> int:
        if depth > 126:
            raise ValueError("too deep")
        return depth + 1

    try:
        value = json.loads(data.decode("utf-8"))
        check(value, 1)
        again = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        # Lone surrogates are no text: encoding them fails.
        if again.encode("utf-8") != data:
            raise ValueError("not in canonical form")
    except RecursionError:
        raise ValueError("too deep") from None
    return value


_Type = Callable[[Any], bool]


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_bytes32(value: Any) -> bool:
    data = _base64(value, url=True) if isinstance(value, str) else None
    return data is not None and len(data) == 32


def _below(bound: int) -> _Type:
    return lambda value: _is_number(value) and value < bound


def _one_of(words: str) -> _Type:
    return lambda value: isinstance(value, str) and value in words.split()


def _many(item: _Type) -> _Type:
    """A list, which is left out where it is empty."""
    return lambda value: isinstance(value, list) and value != [] and all(map(item, value))


def _map(item: _Type) -> _Type:
    """A map, which is left out where it is empty."""
    return lambda value: isinstance(value, dict) and value != {} and all(map(item, value.values()))


def _fields(**types: _Type) -> _Type:
    """An object with these fields and no others; `name_` may be missing."""
    known = {name.rstrip("_"): kind for name, kind in types.items()}
    needed = {name for name in types if not name.endswith("_")}

    def matches(value: Any) -> bool:
        return (
            isinstance(value, dict)
            and needed <= value.keys() <= known.keys()
            and all(known[name](item) for name, item in value.items())
        )

    return matches


def _count(value: Any) -> bool:
    """A number that is left out where it is zero."""
    return _is_number(value) and value > 0


_TEXTS, _NUMBERS, _COUNTS = _many(_is_text), _many(_is_number), _map(_is_number)
_ANY = _map(lambda value: True)
_VERDICT = _one_of("allow flag redact block approve error abort")
_IN_FORCE = _fields(model_=_is_number, policy=_is_number, settings=_is_number)
_ROW = _fields(
    bytes=_is_number, cached_=_count, channel=_is_text, detector=_is_text, failed_=_count,
    segments=_is_number, skipped_=_count, timed_out_=_count, tokens_=_count, truncated_=_count,
)  # fmt: skip
_RESULT = _fields(
    category=_is_text, channel=_is_text, count=_is_number, detector=_is_text,
    score_ppm=_below(1 << 32),
)  # fmt: skip
_TALLIES = _map(_fields(passed=_is_number, total=_is_number))
_STATEMENT = {
    "at": _is_number, "key": _is_text, "records_": _NUMBERS, "signature": _is_text,
    "statement": _is_text,
}  # fmt: skip
_ROUTE = _fields(
    aborted_=_count, accepted_=_count, allowed_=_count, blocked_=_count, dropped_=_count,
    errored_=_count, fail_open_=_count, flagged_=_count, forwarded_=_count, redacted_=_count,
    refused_=_count, shadowed_=_count,
)  # fmt: skip

# The fields of each kind of record, version 1; `kind`, `time`, `v` and `x` are in all.
_KINDS: Dict[str, Dict[str, _Type]] = {
    "boot": {
        "configuration": _is_bytes32, "follows_": _is_text, "log_key": _is_text,
        "program": _is_bytes32, "providers_": _TEXTS, "quote_": _is_text, "replica": _is_text, "version": _is_text,
    },
    "config": {
        "approved_by_": _TEXTS, "digest": _is_bytes32, "manifest_": _is_bytes32, "name": _is_text,
        "of": _one_of("policy model settings"), "version": _is_text,
    },
    "commitment": {
        "digest": _is_bytes32, "from": _is_number, "id": _is_text, "key": _is_text,
        "to": _is_number,
    },
    "intent": {
        "action": _is_text, "config": _IN_FORCE, "cut_": _COUNTS, "dialect": _is_text,
        "end_user_": _is_text, "exchange": _is_text, "model_": _is_text,
        "overlap_": lambda value: value is True, "parent_": _is_text, "principal": _is_text,
        "request_": _is_bytes32, "route": _is_text, "session_": _is_text, "spki_": _is_bytes32,
        "tenant": _is_text, "upstream": _is_text,
    },
    "outcome": {
        "categories_": _TEXTS, "commitments_": _TEXTS, "coverage_": _many(_ROW),
        "coverage_complete": lambda value: isinstance(value, bool), "cut_": _COUNTS,
        "decoded_": _many(_fields(bytes=_is_number, channel=_is_text, segments=_is_number)),
        "detectors_": _many(_RESULT),
        "enforcement": _one_of("enforced shadow fail_open fail_closed"), "exchange": _is_text,
        "intent": _is_number, "model_": _is_text,
        "opaque_": _many(_fields(bytes=_is_number, media_type=_is_text)), "policies_": _TEXTS,
        "reason_": _is_text, "released_after": _is_number, "released_before": _is_number,
        "request_": _is_bytes32, "response_released_": _is_bytes32,
        "response_upstream_": _is_bytes32, "timings_us_": _COUNTS,
        "upstream_status_": _below(1 << 16),
        "usage_": _fields(input=_is_number, output=_is_number), "verdict": _VERDICT,
    },
    "toolcall": {
        "approval_": _is_text, "approved_": _is_bytes32, "arguments_": _is_bytes32, "cut_": _COUNTS,
        "definition_": _is_bytes32, "exchange": _is_text, "intent": _is_number, "number_": _count,
        "policies_": _TEXTS, "tool": _is_text, "verdict": _VERDICT,
    },
    "approval": {
        "bundle": _is_bytes32, "call": _is_bytes32, "decision": _one_of("allow deny"),
        "definition_": _is_bytes32, "exchange": _is_text, "expires": _is_number, "id": _is_text,
        "key": _is_text, "principal": _is_text, "signature": _is_text, "tenant": _is_text,
        "tool": _is_text,
    },
    "test": {
        "bank": _is_bytes32, "config": _IN_FORCE,
        "counts": lambda value: value == {} or _TALLIES(value),
        "seed": _is_number,
    },
    "heartbeat": {"queue_depth": _is_number, "routes_": _map(_ROUTE)},
    "incident": _STATEMENT,
    "review": _STATEMENT,
    "stop": _STATEMENT,
    "anchor": {"checkpoint": _is_text},
    "key": {"new": _is_text, "new_signature": _is_text, "old": _is_text, "old_signature": _is_text},
    "erasure": {
        "count": _is_number, "day": _is_text, "id_": lambda value: _is_text(value) and value != "",
        "reason": _is_text,
    },
    "close": {
        "end_": lambda value: value is True, "intents": _is_number, "outcomes": _is_number,
    },
}  # fmt: skip


def _record(entry: bytes) -> Dict[str, Any]:
    """Reads the exact bytes of a record, in the one spelling that its kind has."""
    bad = "the record is proven, but malformed: "
    if len(entry) > 8 * 1024:
        raise BadReceipt(bad + "longer than 8192 bytes")
    try:
        record = _canonical(entry)
    except ValueError as fault:
        raise BadReceipt(bad + str(fault)) from None
    head = isinstance(record, dict) and (record.get("kind"), record.get("time"), record.get("v"))
    if not head or not _is_text(head[0]) or not _is_number(head[1]) or not _is_number(head[2]):
        raise BadReceipt(bad + "no `kind`, `time` and `v`")
    # A later version or kind is kept as it is.
    types = _KINDS.get(record["kind"]) if record["v"] == 1 else None
    if types is not None:
        envelope = {"kind": _is_text, "time": _is_number, "v": _is_number, "x_": _ANY}
        if not _fields(**types, **envelope)(record):
            raise BadReceipt(bad + "not a record of its kind")
    return record


def _commitments(record: Dict[str, Any]) -> Dict[str, bytes]:
    """The keyed commitments of a record, by the names of their fields."""
    names = {
        "intent": {"request": "request"},
        "outcome": {
            "request": "request",
            "response_upstream": "response.upstream",
            "response_released": "response.released",
        },
        "toolcall": {"arguments": f"arguments/{record.get('number', 0)}"},
        "approval": {"call": "call"},
    }
    known = names.get(record["kind"], {}) if record["v"] == 1 else {}
    found = {name: _base64(record[key], url=True) for key, name in known.items() if key in record}
    return {name: data for name, data in found.items() if data is not None}


# --- receipts ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class VerifiedReceipt:
    """A receipt that holds."""

    record: Dict[str, Any]
    """What the log says: `exchange`, `verdict`, `policies`, ..."""
    entry: bytes
    """The record's exact bytes."""
    index: int
    """Where the record is."""
    size: int
    """How many records the signed tree holds."""
    root: bytes
    """Its root."""
    origin: str
    """The log's name."""
    witnesses: List[Tuple[str, int]]
    """Who cosigned: names of the policy file, and Unix seconds."""
    _openings: Dict[str, Tuple[bytes, bytes]] = field(repr=False)

    @property
    def exit_code(self) -> int:
        """0; or 5 where the record is of a version or kind that this program does not know, so that
        nobody can say what was proven."""
        return 0 if self.record["v"] == 1 and self.record["kind"] in _KINDS else 5

    @property
    def opens(self) -> List[str]:
        """The fields that `confirms` can answer for."""
        return sorted(self._openings)

    def confirms(self, field: str, content: bytes) -> Optional[bool]:
        """Whether `content` is what the record's `field` (`request`, `response.released`, ...)
        commits to; None when the receipt does not open that field."""
        if field not in self._openings:
            return None
        commitment, key = self._openings[field]
        return hmac.compare_digest(hmac.new(key, content, hashlib.sha256).digest(), commitment)


def _extra(line: str) -> Tuple[bytes, Dict[str, bytes]]:
    """The record and the openings of an `extra` line."""
    bad = BadReceipt("not a receipt: its extra line is malformed")
    data = _base64(line)
    if data is None:
        raise bad
    try:
        extra = _canonical(data)
    except ValueError:
        raise bad from None
    if not _fields(openings_=_map(_is_bytes32), record=_is_text)(extra):
        raise bad
    record = _base64(extra["record"], url=True)
    if record is None:
        raise bad
    openings = extra.get("openings", {}).items()
    return record, {name: _base64(key, url=True) or b"" for name, key in openings}


def verify_receipt(receipt: bytes, policy: str, entry: Optional[bytes] = None) -> VerifiedReceipt:
    """Checks a receipt, offline: the checkpoint against the policy (the text of a tlog-policy
    file), the record against the checkpoint, the record's grammar, and that every opening belongs
    to a commitment of it. `entry` is the record's exact bytes, for receipts that do not hold them.

    Raises `BadReceipt` (`Unwitnessed`, `NoRecord`) or `BadPolicy`; each has an `exit_code`.
    """
    trusted = TrustPolicy.parse(policy)
    form = "not a receipt: "
    if len(receipt) > 1024 * 1024:
        raise BadReceipt(form + "it is too large")
    # Lines end with a newline and nothing else, so `splitlines` would be too kind.
    lines = _text(receipt, form + "it").split("\n")
    at = 1
    if lines[0] != "c2sp.org/tlog-proof@v1" or len(lines) < 2:
        raise BadReceipt(form + "its first line is another")
    held: Optional[bytes] = None
    openings: Dict[str, bytes] = {}
    if lines[at].startswith("extra "):
        held, openings = _extra(lines[at][len("extra ") :])
        at += 1
    if at + 1 >= len(lines) or not lines[at].startswith("index "):
        raise BadReceipt(form + "it has no index line")
    index = _decimal(lines[at][len("index ") :])
    if index is None:
        raise BadReceipt(form + "its index is malformed")
    proof = []
    for at in range(at + 1, len(lines) - 1):
        if not lines[at]:
            break
        node = _hash(lines[at])
        if node is None or len(proof) == 63:
            raise BadReceipt(form + "a hash is malformed, or there are too many")
        proof.append(node)
    else:
        raise BadReceipt(form + "it ends too soon")
    head = _verified_head("\n".join(lines[at + 1 :]).encode(), trusted)
    record_bytes = held if entry is None else entry
    if record_bytes is None:
        raise NoRecord("the receipt holds no record: it must be given")
    leaf = _sha256(b"\x00", record_bytes)
    _check_inclusion(leaf, index, head.size, proof, head.root)
    if not head.quorum:
        raise Unwitnessed("the checkpoint lacks the witnesses that the policy asks for")
    record = _record(record_bytes)
    commitments = _commitments(record)
    if not openings.keys() <= commitments.keys():
        raise BadReceipt("an opening belongs to no commitment of the record")
    pairs = {name: (commitments[name], key) for name, key in openings.items()}
    return VerifiedReceipt(
        record, record_bytes, index, head.size, head.root, head.origin, head.witnesses, pairs
    )


# --- where receipts come from --------------------------------------------------------------------


def from_header(value: str) -> bytes:
    """The receipt in a `Troth-Receipt` header."""
    receipt = _base64(value.strip(), url=True)
    if receipt is None:
        raise BadReceipt("the `Troth-Receipt` header is not base64url")
    return receipt


def from_stream(body: bytes) -> Tuple[Optional[bytes], bytes]:
    """Takes the receipt out of a server-sent event stream, where it is a comment before the end:
    the receipt, or None, and the bytes that `response.released` commits to."""
    found = list(re.finditer(rb"(?m)^: troth-receipt ([A-Za-z0-9_-]+)\n\n", body))
    if not found:
        return None, body
    # An upstream may write such comments too, further up. What is not the log's does not verify.
    last = found[-1]
    return from_header(last[1].decode()), body[: last.start()] + body[last.end() :]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Receipts are where they are: a redirect would carry the key elsewhere."""

    def redirect_request(self, *_: Any) -> None:
        return None


def fetch(base_url: str, exchange: str, key: Optional[str] = None, timeout: float = 30) -> bytes:
    """Asks the proxy at `base_url` (as `http://host:port`) for the receipt of an exchange, by the
    id in the `Troth-Exchange` header and with the API key that the request was sent with. Nothing
    else in this file uses the network. Raises `Unavailable`."""
    parts = urllib.parse.urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError("expected a base address like `http://127.0.0.1:8080`")
    path = "/.well-known/troth/receipts/" + urllib.parse.quote(exchange, safe="")
    request = urllib.request.Request(f"{parts.scheme}://{parts.netloc}{path}")
    if key is not None:
        request.add_header("Authorization", f"Bearer {key}")
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(request, timeout=timeout) as response:
            return response.read(1024 * 1024 + 1)
    except urllib.error.HTTPError as fault:
        fault.close()
        raise Unavailable(fault.code, f"no receipt: the proxy answered {fault.code}") from None
    except OSError as fault:
        raise Unavailable(None, f"no receipt: {fault}") from fault


def of_response(base_url: str, headers: Any, key: Optional[str] = None) -> bytes:
    """The receipt of a response, by its headers (any mapping): the inline one where there is one,
    or else fetched."""
    named = {name.lower(): value for name, value in dict(headers).items()}
    if "troth-receipt" in named:
        return from_header(named["troth-receipt"])
    if "troth-exchange" not in named:
        raise Unavailable(None, "the response names no exchange: it did not come through Troth")
    return fetch(base_url, named["troth-exchange"], key)


# --- the command ---------------------------------------------------------------------------------

_CANNOT_READ = 74
_BAD_USAGE = 64
_MAX_FILE = 256 * 1024 * 1024


class _Usage(Exception):
    exit_code = _BAD_USAGE


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        self.exit(_BAD_USAGE, f"{self.format_usage()}troth_receipt: {message}\n")


def _read(path: str) -> bytes:
    if path == "-":
        return sys.stdin.buffer.read(_MAX_FILE)
    with open(path, "rb") as file:
        return file.read(_MAX_FILE)


def _pair(text: str) -> Tuple[str, str]:
    name, separator, path = text.partition("=")
    if not name or not separator or not path:
        raise argparse.ArgumentTypeError("expected FIELD=FILE, such as `request=body.json`")
    return name, path


def _arguments() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="troth_receipt.py", description="Checks a Troth receipt, offline.", allow_abbrev=False
    )
    parser.add_argument("receipt", metavar="RECEIPT", help="the receipt; `-`: standard input")
    parser.add_argument("--policy", metavar="FILE", required=True, help="whose keys are believed")
    parser.add_argument("--entry", metavar="FILE", help="the record, where the receipt has none")
    parser.add_argument(
        "--content", metavar="FIELD=FILE", action="append", default=[], type=_pair,
        help="check content: `request=FILE`, `response.released=FILE`",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _check(arguments: argparse.Namespace) -> Tuple[VerifiedReceipt, Dict[str, bool]]:
    try:
        policy = _read(arguments.policy).decode("utf-8")
    except UnicodeDecodeError:
        raise BadPolicy("the policy is not text") from None
    TrustPolicy.parse(policy)
    receipt = _read(arguments.receipt)
    entry = _read(arguments.entry) if arguments.entry is not None else None
    verified = verify_receipt(receipt, policy, entry)
    confirmed = {}
    for name, path in arguments.content:
        same = verified.confirms(name, _read(path))
        if same is None:
            raise _Usage(f"the receipt does not open `{name}`")
        confirmed[name] = same and confirmed.get(name, True)
    return verified, confirmed


def _print(
    verified: VerifiedReceipt, confirmed: Dict[str, bool], status: str, as_json: bool
) -> None:
    if as_json:
        root = base64.b64encode(verified.root).decode()
        fields = {"origin": verified.origin, "index": verified.index, "size": verified.size}
        more = {"root": root, "record": verified.record, "openings": verified.opens}
        print(json.dumps({"status": status, **fields, **more, "content": confirmed, "faults": []}))
        return
    print(f"log        {verified.origin}")
    print(f"record     {verified.index} of {verified.size}")
    if verified.witnesses:
        print(f"witnesses  {', '.join(name for name, _ in verified.witnesses)}")
    print(f"kind       {verified.record['kind']}")
    for name in ("exchange", "verdict"):
        if name in verified.record:
            print(f"{name:<10} {verified.record[name]}")
    for name, same in confirmed.items():
        print(f"content    {name}: {'confirmed' if same else 'DIFFERS'}")
    print(f"status     {status}")


def main(arguments: Optional[List[str]] = None) -> int:
    """Runs the command; returns its exit code."""
    parsed = _arguments().parse_args(arguments)
    try:
        verified, confirmed = _check(parsed)
    except (BadReceipt, BadPolicy, _Usage) as fault:
        if parsed.json and isinstance(fault, BadReceipt):
            words = {3: "unwitnessed", 64: "no_record"}
            status = words.get(fault.exit_code, "tampered")
            print(json.dumps({"status": status, "faults": [{"what": str(fault)}]}))
        else:
            print(f"troth_receipt: {fault}", file=sys.stderr)
        return fault.exit_code
    except OSError as fault:
        print(f"troth_receipt: cannot read `{fault.filename}`: {fault.strerror}", file=sys.stderr)
        return _CANNOT_READ
    code = verified.exit_code if all(confirmed.values()) else 1
    _print(verified, confirmed, {0: "ok", 5: "insufficient"}.get(code, "tampered"), parsed.json)
    return code


if __name__ == "__main__":
    sys.exit(main())
