"""Trains the built-in model: all sources for the weights, then three folds with whole
sources held out for the figures and the thresholds.

    python train.py --data DIR/train --work /tmp/troth-training          # everything
    python train.py --data DIR/train --work /tmp/troth-training --only 0 # one fold

Resumable: a fold that is done is read back from --work.
"""

import argparse
import json
import os
import pathlib
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("RAYON_NUM_THREADS", "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import numpy as np  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

import data  # noqa: E402
import fit  # noqa: E402
import generate  # noqa: E402
import vocabulary  # noqa: E402

SEED = 20260
VOCABULARY = 20000
WINDOW, STRIDE = 256, 192
EVALUATED = 2500  # rows of a held-out source that are scored, chosen by hash


def prepared(rows, scale, seed):
    """Training rows of the sources given, generated ones added."""
    real = list(data.capped((row for row in rows if row.weight > 0), data.CAPS, seed))
    generator = generate.Generator(seed, *data.pools(real))
    made = []
    for text, label, lang in generator.rows(scale):
        wanted = {"injection": (1, data.UNKNOWN, 0), "jailbreak": (data.UNKNOWN, 1, data.UNKNOWN), "benign": (0, 0, 0)}[label]
        made.append(data.Row(text, wanted, 1.0, "generated", lang, label, ""))
    return data.shuffled(real + made, seed)


def run(name, rows, tokenizer, args):
    path = args.work / f"{name}.npz"
    if path.exists():
        return dict(np.load(path))
    begun = time.time()
    chosen = prepared(rows, args.scale, SEED)
    ids = fit.encode(tokenizer, [row.text for row in chosen])
    targets = np.asarray([row.targets for row in chosen], np.float32)
    weights = np.asarray([row.weight for row in chosen], np.float32)
    size = tokenizer.get_vocab_size()
    print(f"{name}: {len(chosen)} rows, {sum(map(len, ids))} tokens, prepared in {time.time() - begun:.0f} s", flush=True)
    table = fit.embeddings(ids, size, SEED)
    print(f"  embeddings at {time.time() - begun:.0f} s", flush=True)
    params = fit.fit(ids, targets, weights, size, table, args.epochs, SEED, say=lambda text: print(text, flush=True))
    np.savez(path, **params)
    return params


def tokenizer_of(rows, work):
    path = work / "tokenizer.json"
    if not path.exists():
        sample = list(data.capped(rows, 6000, SEED))
        made = [text for text, _, _ in generate.Generator(SEED, *data.pools(sample)).rows(0.2)]
        vocabulary.train([row.text[:4000] for row in sample] + made, VOCABULARY).save(str(path), pretty=False)
    return Tokenizer.from_file(str(path))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, type=pathlib.Path)
    parser.add_argument("--work", required=True, type=pathlib.Path)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--scale", type=float, default=0.8)
    parser.add_argument("--only", type=int)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    rows = list(data.load(args.data))
    unknown = {row.source for row in rows} - set().union(*data.FOLDS)
    if unknown:
        raise SystemExit(f"sources in no fold: {sorted(unknown)}")
    tokenizer = tokenizer_of(rows, args.work)
    if args.only is None:
        run("final", rows, tokenizer, args)
    for number, held_out in enumerate(data.FOLDS):
        if args.only not in (None, number):
            continue
        params = run(f"fold{number}", [row for row in rows if row.source not in held_out], tokenizer, args)
        unseen = list(data.capped((row for row in rows if row.source in held_out), EVALUATED, SEED))
        scores = fit.score(params, fit.encode(tokenizer, [row.text for row in unseen]), WINDOW, STRIDE)
        with open(args.work / f"fold{number}.jsonl", "w", encoding="utf-8") as out:
            for row, score in zip(unseen, scores):
                out.write(json.dumps({"source": row.source, "lang": row.lang, "label": row.label, "surface": row.surface,
                                      "targets": row.targets, "scores": [round(float(s), 6) for s in score],
                                      "text": row.text[:300]}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
