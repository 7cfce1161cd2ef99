"""Candidates and fixed parts are the published stacks of layers."""

import pytest
from bionas_cupy.layers.auxiliary import AuxiliaryHead
from bionas_cupy.layers.candidates import OPERATIONS, is_normed, reads_rectified
from bionas_cupy.layers.cell import preprocess
from bionas_cupy.layers.chosen import Edge, chosen_operation
from bionas_cupy.layers.conv import Conv
from bionas_cupy.layers.krotov_hopfield import KrotovHopfieldNetwork
from bionas_cupy.layers.layer import Layer, Sequential
from bionas_cupy.layers.lenet import LeNet
from bionas_cupy.layers.mlp import MLP
from bionas_cupy.layers.norm import BatchNorm
from bionas_cupy.layers.resnet import BasicBlock, ResNet
from bionas_cupy.layers.skeleton import stem
from bionas_cupy.layers.softhebb import SoftHebbNetwork
from layer_builders import BEYOND_DARTS, CONVOLUTIONS, always_bp


@pytest.mark.parametrize(
    ("name", "stride", "rectified", "searching", "evaluating"),
    [
        ("sep_conv_3x3", 1, True, True, True),
        ("dil_conv_5x5", 2, True, True, True),
        ("skip_connect", 1, False, False, False),
        ("skip_connect", 2, True, True, True),
        ("max_pool_3x3", 1, False, True, False),
        ("avg_pool_3x3", 2, False, True, False),
        ("none", 1, False, False, False),
    ],
)
def test_where_relu_and_norm_stand(
    name: str, stride: int, rectified: bool, searching: bool, evaluating: bool
) -> None:
    assert reads_rectified(name, stride) is rectified
    assert is_normed(name, stride, affine=False) is searching
    assert is_normed(name, stride, affine=True) is evaluating


def stack(layer: Layer) -> list[str]:
    """What a layer is made of, in order: "dw 5 /2 ~2" is depthwise 5x5, stride 2, dilation 2."""
    match layer:
        case Sequential():
            return [line for part in layer.layers.values() for line in stack(part)]
        case Conv():
            g = layer.geometry
            kind = "dw" if g.groups == layer.channels > 1 else "conv"
            more = (f" /{g.stride}" if g.stride > 1 else "") + (f" ~{g.dilation}" if g.dilation > 1 else "")
            return [f"{kind} {g.kernel}{more}"]
        case BatchNorm():
            plain_norm = "" if layer.gamma is not None else " plain"
            assert layer.track is (layer.gamma is not None)
            return [f"bn{plain_norm}", *(["relu"] if layer.relu else [])]
        case _:
            return [type(layer).__name__.lower()]


@pytest.mark.parametrize("searching", [True, False])
@pytest.mark.parametrize("stride", [1, 2])
def test_candidates_are_the_published_stacks(stride: int, searching: bool) -> None:
    """field: DARTS; the first ReLU is shared in search, and a mixed edge has the last norm."""
    s, bn = (" /2" if stride == 2 else ""), "bn plain" if searching else "bn"
    expected = {
        "sep_conv_3x3": [f"dw 3{s}", "conv 1", bn, "relu", "dw 3", "conv 1"],
        "sep_conv_5x5": [f"dw 5{s}", "conv 1", bn, "relu", "dw 5", "conv 1"],
        "dil_conv_3x3": [f"dw 3{s} ~2", "conv 1"],
        "dil_conv_5x5": [f"dw 5{s} ~2", "conv 1"],
        "max_pool_3x3": ["maxpool"],
        "avg_pool_3x3": ["averagepool"],
        "skip_connect": ["factorizedreduce"] if stride == 2 else None,
        "none": None,
        "conv_3x3": [f"conv 3{s}"],
        "pc_conv_3x3": ["predictiveconv"],
        "gated_pc_conv_3x3": ["predictiveconv"],
    }
    for name, operation in OPERATIONS.items():
        body = operation.build(4, stride, [always_bp()], not searching)
        assert (body and stack(body)) == expected[name]
        if not searching and name != "none":
            whole = stack(chosen_operation(Edge(2, 0, name, always_bp()), 4, stride, always_bp()))
            rectified = name in CONVOLUTIONS + BEYOND_DARTS or (name == "skip_connect" and stride == 2)
            first, last = (["relu"], ["bn"]) if rectified else ([], [])
            drop = [] if expected[name] is None else ["droppath"]
            assert whole == [*first, *(expected[name] or []), *last, *drop]


def test_fixed_parts_are_the_published_stacks() -> None:
    rules = [always_bp()], [always_bp()]
    assert stack(preprocess(3, 4, *rules, halve=False, affine=True)) == ["relu", "conv 1", "bn"]
    assert stack(preprocess(3, 4, *rules, halve=True, affine=False)) == [
        "relu",
        "factorizedreduce",
        "bn plain",
    ]
    assert stack(stem(3, 4, always_bp())) == ["conv 3", "bn"]
    head = ["relu", "averagepool", "conv 1", "bn", "relu", "conv 2", "bn", "relu", "flatten", "linear"]
    assert stack(AuxiliaryHead(4, 3, always_bp())) == head
    lenet = ["conv 5", "bn", "relu", "maxpool"] * 2 + ["flatten", "linear", "relu", "linear"]
    assert stack(LeNet(1, (8, 8), 3, lambda _: always_bp())) == lenet
    softhebb = SoftHebbNetwork(3, (32, 32), 10, lambda _: always_bp(), width=1 / 96)
    parts = [type(layer).__name__.lower() for layer in softhebb.layers.values()]
    assert parts[:10] == ["batchnorm", "reflectpad", "conv", "triangle", "maxpool"] * 2
    assert parts[10:] == [
        "batchnorm",
        "reflectpad",
        "conv",
        "triangle",
        "averagepool",
        "flatten",
        "dropout",
        "linear",
    ]
    krotov = KrotovHopfieldNetwork(4, 2, lambda _: always_bp(), [3])
    assert stack(krotov) == ["flatten", "linear", "relativepower", "dropout", "linear"]
    assert stack(MLP(4, 2, lambda _: always_bp(), (3,))) == ["flatten", "linear", "relu", "linear"]
    block = ["conv 3 /2", "bn", "relu", "conv 3", "bn", "relu"]  # the shortcut joins before the last one
    assert stack(BasicBlock(3, 6, 2, lambda _: always_bp(), "b").body) == block
    resnet = ["conv 3", "bn", "relu", "basicblock", "basicblock", "basicblock", "globalaverage", "linear"]
    assert stack(ResNet(3, 10, lambda _: always_bp(), 8)) == resnet
