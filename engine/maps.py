"""What local rules need of a synapse besides push, pull and outer: units that compete, Gram matrices, patches.

A unit is an output (a channel of a convolution). It sees a patch of the input at each of P positions (P = 1 for a
linear layer), and every patch is a sample of its own. The U = O/G units of one group read the same patches and
compete with one another and with nobody else: in a depthwise layer (U = 1) a unit competes with nobody.

    units(y)        (N, G, U, P)      y as its groups see it; a competition runs along axis 2
    gram(a, b)      (G, U, U)         Aᵀ B = Σ_patches a ⊗ b within each group
    among(M, W)     W's shape         M W, M (G, U, U): a term that the units of a group share
    decay(z, W)     W's shape         (Zᵀ Z) W = Zᵀ (Z W), the cheaper way round
    left(z, x, W)   W's shape         Zᵀ X - (Zᵀ Z) W: Hebb's product with what Z W leaves of X
    per_unit(a)     (O, 1, ...)       Σ_patches a, shaped to multiply W
    associate(y, x, W, a)  W's shape  a Σ_patches ŷ ⊗ x̂, y = W x; ŷ = y/‖y‖ over the units of a group, x̂ = x/‖x‖
    energy(x, W)    y's shape         ‖x‖² of the patch that each output of W sees

No N x O x D array is built. On a convolution outer(z, x - pull(z, W)) is another rule: pull adds up what overlapping
patches say of one pixel, where these forms keep patches apart, as unfolding does. On a linear layer they agree.
"""

from .backend import Array, array_module
from .kernels.product import product


class UnitMaps:
    """Arrays without a lane axis: y (N, O, ...), W (O, ...). Subclasses give push, pull, outer, associate and
    energy."""

    @property
    def groups(self) -> int:
        raise NotImplementedError

    @property
    def apart(self) -> bool:
        """Whether no two patches share an input and none is padded, so that pull keeps them apart."""
        raise NotImplementedError

    def pull(self, delta: Array, M: Array) -> Array:
        raise NotImplementedError

    def outer(self, post: Array, pre: Array) -> Array:
        raise NotImplementedError

    def units(self, y: Array) -> Array:
        """(N, G, U, P)."""
        return y.reshape(len(y), self.groups, y.shape[1] // self.groups, -1)

    def gram(self, a: Array, b: Array) -> Array:
        """Aᵀ B (G, U, U), for a and b of y's shape."""
        return product(self._rows(a), self._rows(b).swapaxes(1, 2))

    def among(self, M: Array, W: Array) -> Array:
        """M W within each group."""
        U = M.shape[1]
        return product(M, W.reshape(self.groups, U, -1)).reshape(W.shape)

    def decay(self, z: Array, W: Array) -> Array:
        """(Zᵀ Z) W, for z of y's shape; by way of Z W where patches are fewer than units."""
        if self.apart and self._by_way_of_patches(z, W):
            return self.outer(z, self.pull(z, W))
        return self.among(self.gram(z, z), W)

    def _by_way_of_patches(self, z: Array, W: Array) -> bool:
        patches, U, D = patches_of(z), len(W) // self.groups, W[0].size
        cheaper: bool = 2 * patches * D < patches * U + U * D
        return cheaper

    def left(self, z: Array, x: Array, W: Array) -> Array:
        """Zᵀ X - (Zᵀ Z) W = Zᵀ (X - Z W): one product less, where no two patches overlap."""
        if self.apart and self._by_way_of_patches(z, W):
            return self.outer(z, x - self.pull(z, W))
        hebb: Array = self.outer(z, x) - self.decay(z, W)
        return hebb

    def per_unit(self, a: Array) -> Array:
        """Σ over patches of a (N, O, ...): (O, 1, ...), with as many axes as W."""
        total: Array = a.sum(axis=(0, *range(2, a.ndim)))
        return total.reshape(-1, *(1,) * (a.ndim - 1))

    def _rows(self, a: Array) -> Array:
        """(G, U, N·P)."""
        grouped = self.units(a)
        rows: Array = array_module(a).moveaxis(grouped, 0, 2)
        return rows.reshape(*grouped.shape[1:3], -1)


def patches_of(y: Array) -> int:
    """How many patches y (N, O, ...) is an answer to: N·P."""
    patches: int = y.size // y.shape[1]
    return patches
