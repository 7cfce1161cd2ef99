"""Cross-entropy and its gradient, and what is counted of a batch; the equations are in kernels/loss.py."""

from .backend import Array, array_module
from .kernels.loss import correct, cross_entropy

__all__ = ["correct", "cross_entropy", "sample_losses"]


def sample_losses(logits: Array, labels: Array, smoothing: float = 0.0) -> Array:
    """Each sample's cross-entropy (N,), in float64: differences of two of them are small."""
    xp = array_module(logits)
    logits = logits.astype("float64")
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - xp.log(xp.exp(shifted).sum(axis=1, keepdims=True))
    own = log_p[xp.arange(len(labels)), labels]
    losses: Array = -(1 - smoothing) * own - smoothing * log_p.mean(axis=1)
    return losses
