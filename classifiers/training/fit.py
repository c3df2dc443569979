"""One training run: rows in, parameters out. Deterministic for one seed and machine."""

import functools
import time

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse
import scipy.sparse.linalg

import model

BUCKETS = (24, 48, 96, 160, 256, 512)
TOKENS_PER_BATCH = 4096
RATE = 2e-3
DECAY = 1e-4


def encode(tokenizer, texts):
    return [np.asarray(e.ids, np.int32) for e in tokenizer.encode_batch(list(texts))]


def embeddings(ids, size, seed):
    """Where words stand before training: their neighbours in the training texts (PPMI,
    truncated SVD). Labels are few and texts are many; words that never met a label
    begin next to those that did."""
    rows, columns = [], []
    for text in ids:
        text = text[:200]
        for gap in (1, 2, 3):
            rows.append(text[:-gap]), columns.append(text[gap:])
    rows, columns = np.concatenate(rows), np.concatenate(columns)
    counts = scipy.sparse.coo_matrix((np.ones(len(rows), np.float32), (rows, columns)), (size, size)).tocsr()
    counts = counts + counts.T
    total = counts.sum()
    each = np.asarray(counts.sum(axis=1)).ravel() + 1e-9
    coo = counts.tocoo()
    pmi = np.log(coo.data * total / (each[coo.row] * each[coo.col] ** 0.75 * (each.sum() ** 0.25)))
    keep = (pmi > 0) & (coo.data >= 2)
    ppmi = scipy.sparse.csr_matrix((pmi[keep], (coo.row[keep], coo.col[keep])), (size, size))
    start = np.random.default_rng(seed).normal(size=size)
    u, s, _ = scipy.sparse.linalg.svds(ppmi.astype(np.float64), k=model.WIDTH, v0=start)
    table = u * np.sqrt(s)
    table = table / (table.std() + 1e-9) * 0.1
    noise = np.random.default_rng(seed + 1).normal(0, 0.03, table.shape)
    return (table + noise).astype(np.float32)


def batches(ids, targets, weights, rng):
    """Shuffled batches of texts of like length; a longer text is cropped anew each time."""
    lengths = np.minimum([len(text) for text in ids], BUCKETS[-1])
    buckets = np.searchsorted(BUCKETS, lengths)
    plan = []
    for bucket, limit in enumerate(BUCKETS):
        members = rng.permutation(np.flatnonzero(buckets == bucket))
        count = max(8, TOKENS_PER_BATCH // limit)
        plan += [(limit, members[at:at + count], count) for at in range(0, len(members), count)]
    for at in rng.permutation(len(plan)):
        limit, members, count = plan[at]
        block, wanted, weight = np.zeros((count, limit), np.int32), np.full((count, 3), -1.0, np.float32), np.zeros(count, np.float32)
        for row, member in enumerate(members):
            text = ids[member]
            if len(text) > limit:
                begin = rng.integers(0, len(text) - limit + 1)
                text = text[begin:begin + limit]
            block[row, :len(text)] = text
        wanted[:len(members)], weight[:len(members)] = targets[members], weights[members]
        yield block, wanted, weight


@functools.partial(jax.jit, static_argnums=(7,), donate_argnums=(0, 1, 2))
def step(params, first, second, batch, key, rate, count, drop):
    value, gradient = jax.value_and_grad(model.loss)(params, *batch, key, drop)
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradient)
    second = jax.tree.map(lambda v, g: 0.99 * v + 0.01 * g * g, second, gradient)

    def move(p, m, v):
        return p - rate * (m / (1 - 0.9 ** count) / (jnp.sqrt(v / (1 - 0.99 ** count)) + 1e-8) + DECAY * p)
    return jax.tree.map(move, params, first, second), first, second, value


def fit(ids, targets, weights, vocabulary, table, epochs, seed, drop=0.25, say=print):
    params = model.init(seed, vocabulary, table)
    first = jax.tree.map(jnp.zeros_like, params)
    second = jax.tree.map(jnp.zeros_like, params)
    rng, key = np.random.default_rng(seed), jax.random.PRNGKey(seed)
    total = epochs * sum(1 for _ in batches(ids, targets, weights, np.random.default_rng(0)))
    done, begun = 0, time.time()
    for epoch in range(epochs):
        losses = []
        for batch in batches(ids, targets, weights, rng):
            done += 1
            key, now = jax.random.split(key)
            rate = RATE * min(1.0, done / 100) * (0.5 + 0.5 * np.cos(np.pi * min(1.0, done / total))) + 1e-5
            params, first, second, value = step(params, first, second, batch, now, rate, float(done), drop)
            losses.append(value)
        say(f"  epoch {epoch + 1}/{epochs}: loss {np.mean(losses):.4f}, {done} steps, {time.time() - begun:.0f} s")
    return {name: np.asarray(value) for name, value in params.items()}


forward = jax.jit(model.logits)


def score(params, ids, window, stride):
    """Highest probability over windows of each text, as the program computes it."""
    owner, pieces = [], []
    for number, text in enumerate(ids):
        begin, text = 0, text if len(text) else np.ones(1, np.int32)
        while True:
            end = min(begin + window, len(text))
            pieces.append(text[max(0, end - window):end]), owner.append(number)
            if end == len(text):
                break
            begin += stride
    result = np.zeros((len(ids), 3), np.float32)
    order = sorted(range(len(pieces)), key=lambda at: len(pieces[at]))
    for at in range(0, len(order), 256):
        chosen = order[at:at + 256]
        limit = next(b for b in BUCKETS if b >= len(pieces[chosen[-1]]))
        block = np.zeros((256, limit), np.int32)
        for row, piece in enumerate(chosen):
            block[row, :len(pieces[piece])] = pieces[piece]
        p = 1 / (1 + np.exp(-np.asarray(forward(params, block))))
        for row, piece in enumerate(chosen):
            result[owner[piece]] = np.maximum(result[owner[piece]], p[row])
    return result
