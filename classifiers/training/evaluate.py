"""Figures, thresholds, model card and manifest from a finished training run.

    python evaluate.py --work /tmp/troth-training --figures            # look
    python evaluate.py --work /tmp/troth-training --out ../models/sentinel --data DIR

Everything here comes from rows of sources that the scoring model had not met.
"""

import argparse
import collections
import hashlib
import json
import math
import pathlib

import numpy as np

import data

RATES = {1000: 0.001, 10000: 0.01, 50000: 0.05}  # false positives, ppm
# For a policy that refuses by the score alone; chosen by hand between 0.1% and 0.2% of all held-out
# benign text, and under 0.05% (injection, jailbreak) of it without the prompts about prompting.
RECOMMENDED = {"injection": 965_000, "jailbreak": 935_000, "harmful": 991_500}
# What thresholds are calibrated on: benign text of the kinds that a proxy carries.
# English and Chinese only: those are the languages that the model claims. Social posts are the negatives of hate-speech collections, and often vile.
LANGUAGES = {"en", "zh"}
SURFACES = {"user_prompt", "system_prompt", "tool_output", "tool_definition", "tool_call"}


def load(work):
    for number in range(len(data.FOLDS)):
        path = work / f"fold{number}.jsonl"
        if path.exists():
            with open(path, encoding="utf-8") as lines:
                yield from (json.loads(line) for line in lines)


def benign(rows):
    """Benign rows and their weights: each source counts the same however many rows it
    has, but for small ones, whose rows count a three-hundredth of that each."""
    rows = [row for row in rows if row["label"] == "benign" and row["surface"] in SURFACES and row["lang"] in LANGUAGES]
    sizes = collections.Counter(row["source"] for row in rows)
    return rows, np.asarray([1.0 / max(sizes[row["source"]], 300) for row in rows])


def threshold(scores, weights, rate):
    order = np.argsort(-scores)
    share = np.cumsum(weights[order]) / weights.sum()
    at = int(np.searchsorted(share, rate))
    return float(scores[order[min(at, len(order) - 1)]])


def auc(positive, negative):
    if len(positive) == 0 or len(negative) == 0:
        return float("nan")
    both = np.concatenate([positive, negative])
    _, inverse, counts = np.unique(both, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2.0)[inverse]
    return (rank[:len(positive)].sum() - len(positive) * (len(positive) + 1) / 2) / (len(positive) * len(negative))


def thresholds(rows):
    """{label: {rate ppm: score ppm}}, rounded up."""
    plain, weights = benign(rows)
    scores = np.asarray([row["scores"] for row in plain])
    return {label: {rate: min(999_999, math.ceil(threshold(scores[:, at], weights, share) * 1e6) + 1) for rate, share in RATES.items()}
            for at, label in enumerate(data.LABELS)}


def recall_table(rows, limits):
    """One line for each (label, source, language): rows, AUC, recall at each rate."""
    lines = []
    for at, label in enumerate(data.LABELS):
        groups = collections.defaultdict(list)
        for row in rows:
            if row["targets"][at] == 1:
                groups[row["source"], row["lang"] if row["lang"] in ("en", "zh") else "other"].append(row["scores"][at])
        plain = [row for row in rows if row["label"] == "benign" and row["surface"] in SURFACES]
        negative = {lang: np.asarray([row["scores"][at] for row in plain if (row["lang"] == lang or lang == "other" and row["lang"] not in LANGUAGES)])
                    for lang in ("en", "zh", "other")}
        for (source, lang), scores in sorted(groups.items()):
            if len(scores) < 8:
                continue
            scores = np.asarray(scores)
            shares = [float((scores * 1e6 >= limits[label][rate]).mean()) for rate in RATES]
            lines.append((label, source, lang, len(scores), auc(scores, negative[lang]), shares))
    return lines


def false_table(rows, limits):
    """One line for each benign (source, language, surface): share flagged by each label at 0.1% and at 1%."""
    groups = collections.defaultdict(list)
    for row in rows:
        if row["label"] == "benign":
            groups[row["source"], row["lang"] if row["lang"] in ("en", "zh") else "other", row["surface"]].append(row["scores"])
    lines = []
    for key, scores in sorted(groups.items()):
        if len(scores) < 20:
            continue
        scores = np.asarray(scores) * 1e6
        lines.append((*key, len(scores), [[float((scores[:, at] >= limits[label][rate]).mean()) for at, label in enumerate(data.LABELS)] for rate in (1000, 10000)]))
    return lines


def percent(share):
    return f"{100 * share:.1f}" if share else "0"


def tables(rows, limits):
    out = ["| label | held-out source | language | rows | AUC | recall at 0.1% | at 1% | at 5% |", "|---|---|---|---|---|---|---|---|"]
    for label, source, lang, count, area, shares in recall_table(rows, limits):
        out.append(f"| {label} | {source} | {lang} | {count} | {area:.3f} | " + " | ".join(percent(s) for s in shares) + " |")
    out += ["", "| benign held-out source | language | surface | rows | injection, jailbreak, harmful flagged at 0.1% (%) | at 1% (%) |", "|---|---|---|---|---|---|"]
    for source, lang, surface, count, (few, more) in false_table(rows, limits):
        out.append(f"| {source} | {lang} | {surface} | {count} | {', '.join(map(percent, few))} | {', '.join(map(percent, more))} |")
    return "\n".join(out)


def worst(rows, limits, count):
    for at, label in enumerate(data.LABELS):
        plain = sorted(benign(rows)[0], key=lambda row: -row["scores"][at])[:count]
        print(f"-- highest benign for {label} (limit {limits[label][1000]})")
        for row in plain:
            print(f"   {row['scores'][at]:.4f} {row['source']} {row['lang']} | {row['text'][:160]!r}")


def attribution(folder):
    """Source, licence, upstream: from MANIFEST.md of the data."""
    lines = ["| source | licence | from |", "|---|---|---|"]
    for line in (folder / "MANIFEST.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) > 5 and cells[0].endswith(".jsonl") and cells[0][:-6] in set().union(*data.FOLDS):
            lines.append(f"| {cells[0][:-6]} | {cells[3]} | {cells[4]} |")
    return "\n".join(lines)


def write(rows, limits, args):
    import onnxruntime
    from tokenizers import Tokenizer

    import export
    import fit
    import train
    params = dict(np.load(args.work / "final.npz"))
    args.out.mkdir(parents=True, exist_ok=True)
    model = export.graph(params, data.LABELS)
    (args.out / "model.onnx").write_bytes(model)
    tokenizer = (args.work / "tokenizer.json").read_bytes()
    (args.out / "tokenizer.json").write_bytes(tokenizer)
    # What the conversion to 8 bits costs, on held-out rows' texts.
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    ids = [i for i in fit.encode(Tokenizer.from_file(str(args.work / "tokenizer.json")), [row["text"] for row in rows[::40]]) if len(i)]
    before = fit.score(params, [i[:train.WINDOW] for i in ids], train.WINDOW, train.STRIDE)
    after = np.concatenate([session.run(None, {"input_ids": i[None, :train.WINDOW].astype(np.int64)})[0] for i in ids])
    print(f"int8 against fp32 on {len(ids)} texts: largest difference {np.abs(before - after).max():.4f}, mean {np.abs(before - after).mean():.5f}")
    card = (pathlib.Path(__file__).parent / "card.md").read_text(encoding="utf-8")
    card = card.replace("@@TABLES@@", tables(rows, limits)).replace("@@SOURCES@@", attribution(args.data))
    card = card.replace("@@THRESHOLDS@@", "\n".join(
        ["| label | 0.1% | 1% | 5% |", "|---|---|---|---|"] + [f"| {label} | " + " | ".join(str(limits[label][rate]) for rate in RATES) + " |" for label in data.LABELS]))
    card = card.replace("@@RECOMMENDED@@", ", ".join(f"`{label}` {ppm}" for label, ppm in RECOMMENDED.items()))
    (args.out / "README.md").write_text(card, encoding="utf-8")
    text = [f'version = 1\nname = "sentinel"\nrelease = "{args.release}"\nlicence = "Apache-2.0"\ninput = "input_ids"\noutput = "scores"',
            f"labels = {json.dumps(data.LABELS)}\nwindow = {train.WINDOW}\nstride = {train.STRIDE}\n"]
    for role, name in (("model", "model.onnx"), ("tokenizer", "tokenizer.json"), ("card", "README.md")):
        text.append(f'[[file]]\npath = "{name}"\nrole = "{role}"\nsha256 = "{hashlib.sha256((args.out / name).read_bytes()).hexdigest()}"\n')
    text.append("# Recommended for a policy that refuses by the score alone: " + ", ".join(f"{label} {ppm}" for label, ppm in RECOMMENDED.items()) + ".")
    text.append("# Scores that this share of benign texts of unmet sources reaches.\n")
    for label in data.LABELS:
        for rate in RATES:
            text.append(f'[[threshold]]\nlabel = "{label}"\nfalse_positives_ppm = {rate}\nscore_ppm = {limits[label][rate]}\n')
    (args.out / "manifest.toml").write_text("\n".join(text), encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", required=True, type=pathlib.Path)
    parser.add_argument("--figures", action="store_true")
    parser.add_argument("--worst", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--release", default="1")
    args = parser.parse_args()
    rows = list(load(args.work))
    limits = thresholds(rows)
    if args.figures:
        print(json.dumps(limits, indent=1), tables(rows, limits), sep="\n")
    if args.worst:
        worst(rows, limits, args.worst)
    if args.out:
        write(rows, limits, args)


if __name__ == "__main__":
    main()
