"""The product of two matrices, or of pairs of them.

    y[i, j] = Σ_k a[i, k] · b[k, j]          a (I, K)   b (K, J)   y (I, J)

With (G, I, K) and (G, K, J) it is G products. The factors may be transposed views:

    y = product(x, W.T);  dx = product(delta, W);  dW = product(delta.T, x)
"""

from .arrays import Array, twins


@twins
def product(a: Array, b: Array) -> Array:
    """y = a b, (I, J) or (G, I, J); a and b may be transposed views."""
    y: Array = a @ b
    return y
