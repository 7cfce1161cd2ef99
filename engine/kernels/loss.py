"""Cross-entropy with label smoothing (Szegedy et al. 2016), and its gradient: the error that every rule starts from.

    p = softmax(logits)     q = (1 - s)·onehot(label) + s/K
    L = -⟨Σ_k q_k log p_k⟩_n          e = ∂L/∂logits = (p - q)/N

logits (N, K), labels (N,) integers in [0, K). On a device nothing can be refused without waiting for it: there a
label outside [0, K) makes L NaN.

    loss, error = cross_entropy(logits, labels, 0.1);  hits = correct(logits, labels)
"""

from .arrays import Array, array_module, twins


@twins
def cross_entropy(logits: Array, labels: Array, smoothing: float = 0.0) -> tuple[Array, Array]:
    """(L as a 0-d array, e (N, K))."""
    xp = array_module(logits)
    count, classes = logits.shape
    shifted = logits - logits.max(axis=1, keepdims=True)
    exp = xp.exp(shifted)
    total = exp.sum(axis=1, keepdims=True)
    log_p = shifted - xp.log(total)
    q = xp.full_like(logits, smoothing / classes)
    q[xp.arange(count), labels] += 1.0 - smoothing
    return -(q * log_p).sum() / count, (exp / total - q) / count


@twins
def correct(logits: Array, labels: Array) -> Array:
    """How many of the labels have the largest logit (the first of equal ones), a 0-d array."""
    hits: Array = (logits.argmax(axis=1) == labels).sum()
    return hits
