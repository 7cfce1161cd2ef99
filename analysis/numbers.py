"""The numbers that are recorded of a synapse's lane: one table, from which files, pages and checks take their names."""

from typing import NamedTuple


class Number(NamedTuple):
    """unit "" is a pure number; norms have the units of their arrays. `exact`: needs the exact gradient beside it."""

    unit: str
    meaning: str


NUMBERS = {
    "norm_x": Number("", "‖x‖ of the input, all samples of the batch"),
    "norm_delta": Number("", "‖δ‖, δ = ∂L/∂y as it arrived; L is the mean over the batch"),
    "norm_below": Number("", "‖δx‖ of the error that was sent to the input"),
    "norm_update": Number("", "‖ΔW‖ as the rule gave it, before clipping, momentum and learning rate"),
    "norm_W": Number("", "‖W‖"),
    "norm_B": Number("", "‖B‖"),
    "norm_delta_exact": Number("", "‖δ*‖, δ* = ∂L/∂y of the exact gradient"),
    "norm_below_exact": Number("", "‖δx*‖ = ‖Wᵀδ*‖"),
    "norm_update_exact": Number("", "‖ΔW*‖ = ‖δ* ⊗ x‖"),
    "angle_delta": Number("degrees", "δ against δ*: what arrived"),
    "angle_below": Number("degrees", "δx against δx*: what was sent, errors from above included"),
    "angle_below_local": Number("degrees", "δx against Wᵀδ, the same δ: what this synapse adds"),
    "angle_update": Number("degrees", "ΔW against ΔW*"),
    "angle_update_local": Number("degrees", "ΔW against -δ ⊗ x, the same δ"),
    "angle_feedback_weights": Number("degrees", "B against W"),
    "angle_transposed": Number(
        "degrees", "B against Wᵀ in W's shape, or W turned in space: the nearest of them"
    ),
    "sign_agreement": Number("share", "components of ΔW* whose sign ΔW shares"),
    "sign_agreement_below": Number("share", "components of δx* whose sign δx shares"),
    "sent_error": Number("share", "|‖δx‖² - ⟨δ, B δx⟩| / ‖δx‖², the first 8 samples: 0 where δx is Bᵀδ"),
    "variance_W": Number("", "variance of W's components"),
    "sparsity": Number("share", "components of x that are 0"),
    "dead": Number("share", "units of x, channels or features, that are 0 for the whole batch"),
    "saturation": Number("share", "components of x, 0 apart, within 1 % of the largest magnitude"),
    "norm_mean_update": Number("", "‖mean ΔW‖ over the minibatches of a window"),
    "variance_update": Number("", "variance of ΔW's components over the minibatches of a window, their mean"),
    "snr": Number(
        "", "‖μ‖/√V of ΔW over a window, V = Σ Var, ‖μ‖² = ‖mean‖² - V/n unbiased, 0 below the noise"
    ),
    "window_steps": Number("", "recorded steps of that window; fewer than a whole one where none was whole"),
}
NAMES = tuple(NUMBERS)
OVER_A_WINDOW = ("norm_mean_update", "variance_update", "snr", "window_steps")
EACH_STEP = tuple(name for name in NAMES if name not in OVER_A_WINDOW)
HISTOGRAMS = ("x", "y", "delta", "W", "B", "dW")
