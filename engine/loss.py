"""Cross-entropy with label smoothing, and its gradient: the error e that every rule starts from."""

from .backend import Array, array_module


def cross_entropy(logits: Array, labels: Array, smoothing: float = 0.0) -> tuple[Array, Array]:
    """L = -mean over n of Σ_k q_k log p_k, with p = softmax(logits), q = (1 - s)·onehot + s/K (Szegedy et al. 2016).

    logits (N, K), labels (N,) integers in [0, K). Returns (L as a 0-d array, e = ∂L/∂logits (N, K)).
    """
    xp = array_module(logits)
    count, classes = logits.shape
    shifted = logits - logits.max(axis=1, keepdims=True)
    exp = xp.exp(shifted)
    total = exp.sum(axis=1, keepdims=True)
    log_p = shifted - xp.log(total)
    q = xp.full_like(logits, smoothing / classes)
    q[xp.arange(count), labels] += 1.0 - smoothing
    return -(q * log_p).sum() / count, (exp / total - q) / count


def correct(logits: Array, labels: Array) -> Array:
    """How many of the labels have the largest logit, a 0-d array."""
    hits: Array = (logits.argmax(axis=1) == labels).sum()
    return hits
