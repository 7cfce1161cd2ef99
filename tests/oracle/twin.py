"""A model and its twin in PyTorch: names that both share; the twin takes weights and draws from the model.

A name is "LAYER.PARAMETER#LANE": "cell0.edge3.sep_conv_3x3.depthwise0.W#1".
"""

import re
from typing import Any

import numpy as np
from bionas_cupy.engine.random import Key
from bionas_cupy.engine.rule import State
from bionas_cupy.layers.model import Model
from numpy.typing import NDArray
from torch_rules import Tensor, torch
from torch_synapse import Synapse

Array = NDArray[Any]
Arrays = dict[str, Array]
LABELS = {("weight", True): "W", ("bias", True): "b", ("weight", False): "gamma", ("bias", False): "beta"}
BUFFERS = {"running_mean": "mean", "running_var": "variance"}


def layer_and_lane(path: str) -> tuple[str, int]:
    """What a module of the twin stands for: "edge3.skip_connect_lane2.norm" is lane 2 of "edge3.norm"."""
    lane = re.search(r"_lane(\d+)", path)
    return re.sub(r"\.\w+_lane\d+", "", path), int(lane[1]) if lane else 0


def twin_parameters(net: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    found = {}
    for path, module in net.named_modules():
        layer, lane = layer_and_lane(path)
        for label, parameter in module.named_parameters(recurse=False):
            found[f"{layer}.{LABELS[label, isinstance(module, Synapse)]}#{lane}"] = parameter
    return found


def twin_buffers(net: torch.nn.Module) -> dict[str, Tensor]:
    """Running statistics: "stem.norm.mean"."""
    paths = {path: path.rpartition(".")[::2] for path, _ in net.named_buffers()}
    return {
        f"{layer_and_lane(paths[path][0])[0]}.{BUFFERS[paths[path][1]]}": buffer
        for path, buffer in net.named_buffers()
        if paths[path][1] in BUFFERS
    }


def parameters(model: Model, what: str) -> Arrays:
    """The parameters' "value" or "grad", a copy of each lane."""
    lanes = {p.name: getattr(p, what).reshape(p.lanes or 1, -1) for p in model.arena.parameters}
    return {f"{name}#{r}": lane.copy() for name, array in lanes.items() for r, lane in enumerate(array)}


def buffers(model: Model) -> Arrays:
    return {
        f"{name}.{label}": value.copy()
        for name, layer in model.network.walk()
        for label, value in getattr(layer, "buffers", {}).items()
    }


def bind(net: torch.nn.Module, model: Model, dtype: torch.dtype) -> torch.nn.Module:
    """`net` in dtype, with the model's weights and statistics, and the keys of its random draws."""
    net.to(dtype)
    values, twins = parameters(model, "value"), twin_parameters(net)
    synapses, statistics = {s.name: s for s in model.synapses}, buffers(model)
    assert values.keys() == twins.keys()
    for name, parameter in twins.items():
        parameter.data[...] = torch.from_numpy(values[name]).view_as(parameter)
    for name, buffer in twin_buffers(net).items():
        buffer[...] = torch.from_numpy(statistics[name]).view_as(buffer)
    for path, module in net.named_modules():
        layer, lane = layer_and_lane(path)
        if isinstance(module, Synapse):
            assert synapses[layer].s == module.s
            module.key = synapses[layer].states[lane].key
    return net


def draw(key: Key, update: int, dtype: torch.dtype, name: str, shape: tuple[int, ...], renew: bool) -> Tensor:
    """The numbers that a rule draws under this key and name, of deviation 1/√3: uniform on [-1, 1)."""
    state = State(key, 3.0**-0.5)
    state.update = update
    return torch.from_numpy(state.draw(name, np.zeros(1), shape, renew=renew)).to(dtype)


def noise(key: Key, update: int, dtype: torch.dtype, name: str, probe: int, shape: tuple[int, ...]) -> Tensor:
    """The standard normal numbers of a rule's probe in this update."""
    state = State(key, 1.0)
    state.update = update
    return torch.from_numpy(state.noise(name, probe, np.zeros(shape))).to(dtype)
