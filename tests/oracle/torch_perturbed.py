"""ΔW of the rules that learn from noise, and the pairs of passes with noise of a whole network."""

from collections.abc import Callable, Sequence
from typing import Any

from torch_local import Seen, inoue_output
from torch_rules import Tensor, name_of, options_of, torch

SIGMA = {"wp": 0.01, "np": 0.01, "inoue_output": 0.01265}
Losses = Callable[[], Tensor]  # (N,): of each sample, in a forward pass


def probes_of(rule: str) -> int:
    return int(options_of(rule).get("probes", 1)) if name_of(rule) in SIGMA else 0


def sigma_of(rule: str) -> float:
    return float(options_of(rule).get("sigma", SIGMA[name_of(rule)]))


def noise_in_weights(rule: str, synapse: Any, probe: int) -> Tensor | None:
    """ξ in W, or None: of `wp` everywhere, of `inoue_output` where a synapse is still there."""
    if name_of(rule) not in ("wp", "inoue_output") or probe >= probes_of(rule):
        return None
    W = synapse.weight.detach()
    xi = synapse.noise(name_of(rule), probe, tuple(W.shape))
    return xi if name_of(rule) == "wp" else torch.where(W == 0, 0.0, xi)


def noise_in_output(rule: str, synapse: Any, probe: int, shape: Sequence[int]) -> Tensor | None:
    if name_of(rule) != "np" or probe >= probes_of(rule):
        return None
    return synapse.noise("np", probe, tuple(shape))


@torch.no_grad()
def answers(net: torch.nn.Module, synapses: Sequence[Any], losses: Losses) -> Tensor | None:
    """(K, N): L_n(+ξ_k) - L_n(-ξ_k), all synapses at once; running statistics stay as they are."""
    count = max(probes_of(rule) for synapse in synapses for _, rule in synapse.rules)
    statistics = [buffer.clone() for buffer in net.buffers()]
    rows = []
    for k in range(count):
        both = []
        for sign in (1.0, -1.0):
            for synapse in synapses:
                synapse.nudge = k, sign
            both.append(losses())
        rows.append(both[0] - both[1])
    for synapse in synapses:
        synapse.nudge = None
    for buffer, before in zip(net.buffers(), statistics, strict=True):
        buffer.copy_(before)
    return torch.stack(rows) if rows else None


def update(rule: str, synapse: Any, x: Tensor, seen: Seen) -> Tensor:
    """ΔW in W's shape."""
    options, K, W = options_of(rule), probes_of(rule), synapse.weight.detach()
    slopes = synapse.apart[:K] / (2 * sigma_of(rule))  # (K, N)
    rate = float(options.get("rate", 1.0))
    if name_of(rule) == "np":
        return -rate * from_outputs(options, slopes, synapse, x, W)
    drawn = torch.stack([noise_in_weights(rule, synapse, k) for k in range(K)])
    estimate = torch.tensordot(slopes.mean(1), drawn, 1) / K
    if name_of(rule) == "wp":
        return -rate * estimate
    return rate * (inoue_output(seen, options).view_as(W) - float(options.get("beta", 43.75)) * estimate)


def from_outputs(options: dict[str, str], slopes: Tensor, synapse: Any, x: Tensor, W: Tensor) -> Tensor:
    """Σ ξ_kn ⊗ x_n times the answer of sample n (batch=1: of the whole batch), over K and N."""
    K, N = slopes.shape
    if options.get("batch") == "1":
        slopes = slopes.sum(1, keepdim=True).expand(K, N)
    shape = synapse.push(x, W).shape
    post = [
        slopes[k].view(-1, *(1,) * (len(shape) - 1)) * synapse.noise("np", k, tuple(shape)) for k in range(K)
    ]
    return synapse.outer(x, W, sum(post)) / (K * N)
