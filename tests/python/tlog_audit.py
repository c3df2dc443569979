"""Reads static logs with `aics-tlog`, a library that nobody here wrote, and checks all they claim.

    tlog_audit.py LOG_KEY WITNESS_KEY NOTE COSIGNED DIRECTORY [NOTE COSIGNED DIRECTORY]...

Each NOTE is a signed checkpoint, COSIGNED the same with the witness's cosignature, each DIRECTORY
their tiles; the logs are sizes of one tree, the smallest first. Prints a line for each.
"""

import sys
from pathlib import Path

import aics_tlog as tlog


def records(size: int) -> list[int]:
    """All indexes of a small log; of a large one the ends of bundles and some between."""
    if size <= 1000:
        return list(range(size))
    edges = [n for first in range(0, size, 256 * 25) for n in (first, first + 255)]
    return [n for n in edges if n < size] + [size - 1]


def verified(path: str, log_key: tlog.VKey, witness_key: tlog.VKey):
    note = tlog.parse_note(Path(path).read_bytes())
    head = tlog.verify_checkpoint(note, log_key, [witness_key], expected_origin=log_key.name)
    if not head.ok:
        raise SystemExit(f"{path}: {head.error}")
    return head


def main(arguments: list[str]) -> None:
    log_key, witness_key = (tlog.parse_vkey(text) for text in arguments[:2])
    older: list[tuple[int, bytes]] = []
    for note, cosigned, directory in zip(*(arguments[at::3] for at in (2, 3, 4)), strict=True):
        head, count = (verified(path, log_key, witness_key) for path in (note, cosigned))
        if (head.size, head.root) != (count.size, count.root) or head.cosignature_count:
            raise SystemExit(f"{note}: another head than {cosigned}")
        # Every tile and every bundle, held against the root.
        files = tlog.FileSystemTileReader(directory)
        report = tlog.audit_tiles(files, head.size, head.root)
        reader = tlog.VerifiedTileReader(files, head.size, head.root)
        for index in records(head.size):
            proof = tlog.inclusion_proof_from_tiles(reader, index, head.size)
            entry = reader.entry(index)
            if not tlog.verify_leaf_inclusion(entry, index, head.size, proof, head.root):
                raise SystemExit(f"{note}: record {index} is not in the tree")
        for size, root in older:
            proof = tlog.consistency_proof_from_tiles(reader, size, head.size)
            if not tlog.verify_consistency(size, head.size, root, head.root, proof):
                raise SystemExit(f"{note}: size {size} is no prefix of it")
        print(
            f"size {head.size}: {report.tiles} tiles, {report.bundles} bundles, "
            f"{len(records(head.size))} records, {len(older)} older sizes, "
            f"{count.cosignature_count} cosignatures"
        )
        older.append((head.size, head.root))


if __name__ == "__main__":
    main(sys.argv[1:])
