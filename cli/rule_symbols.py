"""What the symbols of a rule's equation stand for, as its card explains them."""

import re

SYMBOLS = {
    "δx": "the error sent down, to the layer's input",
    "B": "what the error travels through in the place of W",
    "ΔW": "the update, to be added to W; the optimiser's learning rate comes on top",
    "e": "∂L/∂logits, the output error",
    "X": "the inputs, a patch a row: a sample, or what a convolution sees at one position",
    "Y": "the outputs, a patch a row",
    "N": "how many patches, or samples",
    "⊗": "outer product, summed over samples and positions where nothing else is said",
    "∘": "product number by number",
    "⟨ ⟩": "mean over patches",
    "∝": "up to a factor",
}
IN_CARDS = {  # options that several rules have
    "rate": "; times ΔW",
    "sends": "; exact: Wᵀ δ, feedback: Bᵀ δ with a fixed random B",
    "probes": "; K",
    "sigma": "; σ",
}
_SUBSCRIPT = re.compile(r"ᵀ|_\w+|_\{[^}]*\}")
_WORD = re.compile(r"\w+|[^\w\s]")


def symbols_in(equation: str) -> dict[str, str]:
    """Those of SYMBOLS that stand in "NAME: an equation"."""
    words = set(_WORD.findall(_SUBSCRIPT.sub("", equation.partition(": ")[2])))
    return {symbol: meaning for symbol, meaning in SYMBOLS.items() if symbol.split()[0] in words}
