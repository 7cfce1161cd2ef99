"""The network that a `train` configuration names: a genotype's, or one known by its name."""

from collections.abc import Mapping
from pathlib import Path

from ..engine.constraints import make_constraints
from ..engine.errors import UsageError, did_you_mean
from ..engine.lanes import is_taught
from ..layers.inoue import InoueNetwork
from ..layers.krotov_hopfield import KrotovHopfieldNetwork
from ..layers.layer import Layer
from ..layers.lenet import LeNet
from ..layers.mlp import MLP
from ..layers.named import RulesByName
from ..layers.resnet import ResNet
from ..layers.softhebb import SoftHebbNetwork
from ..layers.synapse import Synapse
from .config import TrainConfig
from .genotype import AnyGenotype, read_genotype
from .image_shape import ImageShape

NAMES = ("inoue", "krotov-hopfield", "lenet", "mlp", "resnet20", "resnet56", "softhebb")


def genotype_of(config: TrainConfig) -> AnyGenotype | None:
    """The genotype that `model` names; None for a network by name. Raises UsageError for neither."""
    if config.model in NAMES:
        return None
    path = Path(config.model)
    if path.suffix == ".py":
        raise UsageError(
            f'model "{path}" is a rule\'s file, no network.', f"Write: bionas-cupy train lenet --rule {path}"
        )
    if not path.exists() and path.suffix != ".json":
        raise UsageError(
            f'model "{config.model}" is neither a network nor a genotype.', did_you_mean(config.model, NAMES)
        )
    return read_genotype(path)


def build_network(config: TrainConfig, genotype: AnyGenotype | None, shape: ImageShape) -> Layer:
    """Raises UsageError for an unknown rule, and for images that do not fit."""
    network = named_network(config, shape) if genotype is None else genotype_network(config, genotype, shape)
    _check_readout(network, genotype is not None)
    rules = {id(r): r for _, layer in network.walk() if isinstance(layer, Synapse) for r in layer.rules}
    for rule in rules.values():  # one may serve several layers
        rule.constraints = (*rule.constraints, *make_constraints(config.constraints))
    return network


def _check_readout(network: Layer, of_genotype: bool) -> None:
    """Raises UsageError where the layer that answers would never hear of the labels."""
    readout = [layer for _, layer in network.walk() if isinstance(layer, Synapse)][-1]
    for rule in readout.rules:
        if not is_taught(rule):
            place = "rules" if of_genotype else "rules_per_layer"
            raise UsageError(
                f'rule "{rule}" hears of no label, so that the classifier would learn none.',
                f"Give it another rule: --set {place}.classifier=bp.",
            )


def named_network(config: TrainConfig, shape: ImageShape) -> Layer:
    """`rule` for every layer, and `rules_per_layer` on top of it."""
    given = config.rules_per_layer
    if config.rules:
        raise UsageError("rules.* names the fixed parts of a genotype's network.", "Use --rules-per-layer.")
    usual = {"*": "bp" if config.rule is None else config.rule} | (
        {"classifier": config.readout.rule} if config.stages != "one" else {}
    )
    rules = RulesByName(given if "*" in given else usual | given)  # "*" keeps its place
    network = _named(config, shape, rules)
    rules.check()
    return network


def _named(config: TrainConfig, shape: ImageShape, rules: RulesByName) -> Layer:
    channels, classes = shape.channels, shape.classes
    match config.model:
        case "lenet":
            return LeNet(channels, shape.size, classes, rules)
        case "mlp":
            return MLP(shape.pixels, classes, rules, config.hidden)
        case "inoue":
            return InoueNetwork(shape.pixels, classes, rules, config.hidden)
        case "krotov-hopfield":
            return KrotovHopfieldNetwork(
                shape.pixels,
                classes,
                rules,
                config.hidden,
                power=config.power,
                dropout=config.readout.dropout,
            )
        case "softhebb":
            return SoftHebbNetwork(
                channels, shape.size, classes, rules, dropout=config.readout.dropout, width=config.width
            )
        case _:
            return ResNet(channels, classes, rules, int(config.model.removeprefix("resnet")))


def genotype_network(config: TrainConfig, genotype: AnyGenotype, shape: ImageShape) -> Layer:
    """The genotype's cells at the configured size; `rule` replaces the rule of every searched edge."""
    if config.rules_per_layer:
        raise UsageError(
            "--rules-per-layer is for lenet, mlp and resnets: a genotype names its rules itself."
        )
    genotype = genotype if config.rule is None else genotype.with_rule(config.rule)
    genotype = genotype.with_roles(config.rules)
    return genotype.network(shape, config.size.channels, config.size.cells, config.auxiliary > 0)


def rules_of(network: Layer) -> Mapping[str, list[str]]:
    """Each weighted layer's rules, by the layer's name."""
    return {n: [str(r) for r in layer.rules] for n, layer in network.walk() if isinstance(layer, Synapse)}
