"""The network: embedded tokens, three convolutions, and two judgements that are added.

The local one scores every place by itself and takes the highest: one hostile sentence
in a long document counts whatever stands around it. The global one sees the maximum and
the mean of all places: what the document is about. Compute grows linearly with the text, and nothing depends on where in
the window something stands.
"""

import jax
import jax.numpy as jnp
import numpy as np

WIDTH = 64
HIDDEN = 96
DILATIONS = (1, 2, 4)


def init(seed, vocabulary, embeddings=None):
    rng = np.random.default_rng(seed)

    def dense(rows, columns):
        return rng.normal(0, (2.0 / rows) ** 0.5, (rows, columns)).astype(np.float32)

    table = embeddings if embeddings is not None else rng.normal(0, 0.1, (vocabulary, WIDTH)).astype(np.float32)
    params = {"embed": table.astype(np.float32), "hidden_w": dense(2 * WIDTH, HIDDEN), "hidden_b": np.zeros(HIDDEN, np.float32),
              "place_w": dense(WIDTH, WIDTH), "place_b": np.zeros(WIDTH, np.float32), "local_w": dense(WIDTH, 3) * 0.3,
              "out_w": dense(HIDDEN, 3) * 0.3, "out_b": np.full(3, -2.0, np.float32)}
    for layer in range(len(DILATIONS)):
        params[f"conv{layer}_w"] = dense(3 * WIDTH, WIDTH) * (1.0 if layer == 0 else 0.5)
        params[f"conv{layer}_b"] = np.zeros(WIDTH, np.float32)
    return {name: jnp.asarray(value) for name, value in params.items()}


def shift(x, by):
    """x[t + by], zero past the ends."""
    if by > 0:
        return jnp.pad(x[:, by:], ((0, 0), (0, min(by, x.shape[1])), (0, 0)))
    return jnp.pad(x[:, :by], ((0, 0), (min(-by, x.shape[1]), 0), (0, 0)))


def logits(params, ids, key=None, drop=0.0):
    mask = (ids != 0).astype(jnp.float32)[:, :, None]
    x = params["embed"][ids] * mask
    if key is not None:
        word, feature, top = jax.random.split(key, 3)
        # Whole tokens vanish, so that no single word decides; then whole features.
        x = x * jax.random.bernoulli(word, 1 - drop / 2, x.shape[:2])[:, :, None]
        x = x * jax.random.bernoulli(feature, 1 - drop, (x.shape[0], 1, x.shape[2])) / (1 - drop)
    for layer, dilation in enumerate(DILATIONS):
        around = jnp.concatenate([shift(x, -dilation), x, shift(x, dilation)], axis=-1)
        y = jax.nn.relu(around @ params[f"conv{layer}_w"] + params[f"conv{layer}_b"]) * mask
        x = y if layer == 0 else x + y
    # After the first layer all values are at least 0, so padding (0) never wins.
    highest = x.max(axis=1)
    mean = x.sum(axis=1) / jnp.maximum(mask.sum(axis=1), 1.0)
    pooled = jnp.concatenate([highest, mean], axis=-1)
    if key is not None:
        pooled = pooled * jax.random.bernoulli(top, 1 - drop, pooled.shape) / (1 - drop)
    hidden = jax.nn.relu(pooled @ params["hidden_w"] + params["hidden_b"])
    places = jax.nn.relu(x @ params["place_w"] + params["place_b"])
    local = (places @ params["local_w"] - 30.0 * (1.0 - mask)).max(axis=1)
    return local + hidden @ params["out_w"] + params["out_b"]


def loss(params, ids, targets, weights, key, drop):
    z = logits(params, ids, key, drop)
    known = (targets >= 0).astype(jnp.float32)
    # Smoothed targets: labels are often wrong, and an overconfident model has no
    # usable order at the top of the benign scores.
    wanted = jnp.clip(targets, 0.0, 1.0) * 0.97 + 0.01
    each = jnp.maximum(z, 0) - z * wanted + jnp.log1p(jnp.exp(-jnp.abs(z)))
    return (each * known * weights[:, None]).sum() / jnp.maximum((known * weights[:, None]).sum(), 1.0)
