"""The file that `bionas-cupy rules new` writes: a rule that works, to be changed."""

import re
from pathlib import Path

from ..engine.atomic import output_errors
from ..engine.errors import UsageError
from ..engine.registry import known_names

TEMPLATE = '''"""Where the rule comes from (Author & Author, year); `bionas-cupy rules show` prints this line."""

import numpy as np
from bionas_cupy import Array, Rule, State  # and Maps, Signals


class CLASS(Rule):
    """NAME: δx = Bᵀ δ,  B = mix·W + (1 - mix)·s·sign(W),  ΔW = -δ ⊗ x.

    The equation stands in the first line, and the code below repeats its symbols. As it is, B lies between
    back-propagation, B = W, and uniform sign feedback, B = s·sign(W); s is the deviation of W's initialiser.
    """

    name = "NAME"  # in tables and genotypes
    bits = 32.0  # transported per weight by B: 32 for W itself, 1 for its signs, 0 for none
    reads = ("x", "delta")  # all that it may see: x input, y output, delta error of y, top error of the logits

    def __init__(self, mix: float = 0.5) -> None:  # an option: --rules 'FILE(mix=0.2)'
        self.mix = mix

    def feedback_weights(self, W: Array, state: State) -> Array:
        """B, of W's shape: (outputs, inputs), or (outputs, inputs/groups, k, k) in a convolution."""
        return self.mix * W + (1 - self.mix) * state.s * np.sign(W)

    # What is not written here is done as in back-propagation. Take the # away to change it as well:
    #
    # def update(self, maps: Maps, s: Signals) -> Array:
    #     """ΔW, of W's shape, to be added; the learning rate comes later."""
    #     return -maps.outer(s.delta, s.x)
'''


def new_rule(path: Path) -> str:
    """Write the file; the rule's name. Raises UsageError for a file that exists, or a name that is taken."""
    name, kind = names_for(path)
    text = TEMPLATE.replace("CLASS", kind).replace("NAME", name).replace("FILE", path.name)
    with output_errors(path):
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            raise UsageError(
                f'"{path}" exists already, and is left as it is.', "Choose another name."
            ) from None
    return name


def names_for(path: Path) -> tuple[str, str]:
    """(rule name, class name) of a file: my_rule.py, or my-rule.py, makes ("my_rule", "MyRule")."""
    name = re.sub(r"[^a-z0-9]+", "_", path.stem.lower()).strip("_")
    if path.suffix != ".py" or not re.match("[a-z]", name):
        raise UsageError(f'"{path}" is no name for a rule file.', "Choose one like my_rule.py.")
    if name in known_names():
        raise UsageError(f'a rule "{name}" exists already.', "Choose another name for the file.")
    return name, "".join(part.capitalize() for part in name.split("_"))
