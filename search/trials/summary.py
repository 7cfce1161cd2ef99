"""The score of a candidate that was trained: what its trainings, one a seed, have together."""

from collections.abc import Sequence

import numpy as np

from ..strategies.strategy import Score


def summary(found: Sequence[Score], objective: str, price: float) -> Score:
    """found: of each seed test_loss and test_accuracy (%), of the validation half, and with an attack robust_accuracy.
    objective: whose mean is minimised, "loss", "error" or "robust_error". price: is added to it."""
    losses = [float(score["test_loss"]) for score in found]
    accuracies = [float(score["test_accuracy"]) for score in found]
    robust = [float(score["robust_accuracy"]) for score in found if "robust_accuracy" in score]
    judged = {"loss": losses, "error": errors(accuracies), "robust_error": errors(robust)}[objective]
    score: Score = {
        "objective": float(np.mean(judged)) + price,
        "validation_loss": float(np.mean(losses)),
        "validation_accuracy": float(np.mean(accuracies)),
        "objectives": [value + price for value in judged],
        "accuracies": accuracies,
    }
    if robust:
        score["robust_accuracy"] = float(np.mean(robust))
        score["robust_error"] = float(np.mean(errors(robust)))
        score["robust_accuracies"] = robust
    return score


def errors(accuracies: Sequence[float]) -> list[float]:
    """Shares, of accuracies in %."""
    return [1 - a / 100 for a in accuracies]
