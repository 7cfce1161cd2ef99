"""Which procedure the rules of a network ask for, where it is not a forward and a backward pass."""

from collections.abc import Sequence

from ..engine.errors import UsageError
from ..engine.lanes import Blend
from ..engine.procedures.relaxation import Relaxation
from ..engine.procedures.two_pass import ForwardForwardPasses, PepitaPasses
from ..engine.procedures.whole import WholeNetwork
from ..engine.random import Key
from ..engine.rule import Rule
from ..engine.rules.two_pass import ForwardForward
from .chain import chain
from .layer import Layer
from .synapse import Synapse

WHOLE = ("two_pass", "relaxation")
REASONS = {
    "two_pass": "it compares two forward passes of a whole network, so that an edge cannot have it alone",
    "relaxation": "the activities of the whole network settle before a weight learns",
}


def whole_rules(rules: Sequence[Rule]) -> list[Rule]:
    """Those that run a whole network, in the order given."""
    flat = [each for rule in rules for each in (rule.rules if isinstance(rule, Blend) else [rule])]
    return [rule for rule in flat if rule.procedure in WHOLE]


def whole_network(network: Layer, synapses: Sequence[Synapse], key: Key) -> WholeNetwork | None:
    """None for rules that learn by passes of the common kind. Raises UsageError where rules do not go together."""
    rules = [rule for synapse in synapses for rule in synapse.rules]
    whole = whole_rules(rules)
    if not whole:
        return None
    blocks = chain(network, whole[0].procedure)
    names = list(dict.fromkeys(str(rule).split("+")[0] for rule in rules))
    if len(names) > 1:
        raise UsageError(
            f'rule "{whole[0]}" runs a whole network: {REASONS[whole[0].procedure]}; here it meets {names}.',
            f"Give it to every layer: --rule {whole[0].name}.",
        )
    if whole[0].procedure == "relaxation":
        return Relaxation(blocks, whole[0])
    passes = ForwardForwardPasses if isinstance(whole[0], ForwardForward) else PepitaPasses
    return passes(blocks, whole[0], key)
