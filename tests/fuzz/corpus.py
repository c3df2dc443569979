"""Packs the inputs of a fuzz target into one file, and takes such a file apart.

usage: corpus.py pack DIRECTORY FILE
       corpus.py unpack FILE DIRECTORY

A file holds each input as its length (four bytes, big-endian) and its bytes, the shortest first,
so that it changes no more than the inputs do; what no longer fits into 128 KiB is left out, which
are the longest. `cargo test` reads it without being unpacked.
"""

import hashlib
import sys
from pathlib import Path

MOST_BYTES = 128 * 1024


def pack(directory: Path, file: Path) -> None:
    inputs = {path.read_bytes() for path in directory.iterdir() if path.is_file()}
    ordered = sorted(inputs, key=lambda data: (len(data), data))
    packed = b""
    for data in ordered:
        if len(packed) + 4 + len(data) > MOST_BYTES:
            break
        packed += len(data).to_bytes(4, "big") + data
    file.write_bytes(packed)


def unpack(file: Path, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    rest = file.read_bytes()
    while rest:
        length = int.from_bytes(rest[:4], "big")
        data, rest = rest[4 : 4 + length], rest[4 + length :]
        if len(data) != length:
            raise SystemExit(f"corpus.py: `{file}` is cut")
        # The name that libFuzzer itself gives an input.
        (directory / hashlib.sha1(data).hexdigest()).write_bytes(data)


def main(arguments: list[str]) -> None:
    commands = {"pack": pack, "unpack": unpack}
    if len(arguments) != 3 or arguments[0] not in commands:
        raise SystemExit(__doc__)
    commands[arguments[0]](Path(arguments[1]), Path(arguments[2]))


if __name__ == "__main__":
    main(sys.argv[1:])
