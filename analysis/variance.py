"""Mean and variance of an array over minibatches (Welford 1962): one pass, no E[x²] - E[x]²."""

import numpy as np

from ..engine.backend import Array, array_module


class Welford:
    """mean_n = mean + (x - mean)/n,  S_n = S + (x - mean)(x - mean_n);  the variance is S/(n - 1)."""

    def __init__(self) -> None:
        self.count = 0
        self.mean: Array = np.zeros(())
        self.squares: Array = np.zeros(())

    def add(self, x: Array) -> None:
        x = x.astype(np.float64)
        if not self.count:
            self.mean = self.squares = array_module(x).zeros_like(x)
        self.count += 1
        before = x - self.mean
        self.mean = self.mean + before / self.count
        self.squares = self.squares + before * (x - self.mean)

    def signal_and_noise(self) -> Array:
        """(3,): ‖mean‖; the mean over components of the variance; snr = √(max(0, ‖mean‖² - V/n) / V), V = Σ variance.

        ‖mean‖² exceeds ‖E x‖² by V/n on the average, so that is taken off. NaN for fewer than two samples and,
        for snr, where nothing varies.
        """
        xp = array_module(self.mean)
        if self.count < 2:
            nothing: Array = xp.full(3, np.nan)
            return nothing
        variance = self.squares / (self.count - 1)
        total, square = variance.sum(), xp.square(self.mean).sum()
        signal = xp.maximum(square - total / self.count, 0.0)
        varies = total > 0
        snr = xp.where(varies, xp.sqrt(signal / xp.where(varies, total, 1.0)), np.nan)
        found: Array = xp.stack([xp.sqrt(square), variance.mean(), snr])
        return found
