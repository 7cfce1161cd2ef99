"""Cross-entropy and its gradient, and what is counted of a batch; the equations are in kernels/loss.py."""

from .backend import Array, array_module
from .kernels.loss import correct, cross_entropy

__all__ = ["correct", "cross_entropy", "sample_losses"]


def sample_losses(logits: Array, labels: Array, smoothing: float = 0.0) -> Array:
    """Each sample's cross-entropy (N,), in float64: differences of two of them are small."""
    xp = array_module(logits)
    by_class = xp.ascontiguousarray(logits.T, "float64")  # (K, N): sums over K run along whole rows
    by_class -= by_class.max(axis=0)
    log_p = by_class - xp.log(xp.exp(by_class).sum(axis=0))
    own = log_p[labels, xp.arange(len(labels))]
    losses: Array = -(1 - smoothing) * own - smoothing * log_p.mean(axis=0)
    return losses
