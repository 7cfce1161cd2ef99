"""`inspect` by rule, and when it is stopped: what is shown, what is kept, what is begun."""

import json
import os
import signal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from bionas_cupy.cli import watching
from cli_cases import THREE_STEPS as SMALL
from cli_cases import objects


def test_a_summary_by_rule(run):
    Path("rules.toml").write_text('"*" = "fa"\n"conv*" = "usf"\n')
    mixed = ["inspect", "lenet", "--rules-per-layer", "rules.toml", *SMALL]
    code, out, _ = run(*mixed, "--json", "--by-rule")
    found = objects(out)
    synapses, rules = ([e for e in found if e["event"] == kind] for kind in ("synapse", "rule"))
    assert (code, found) == (0, [*synapses, *rules])
    assert [(each["rule"], each["synapses"]) for each in rules] == [("usf", 2), ("fa", 2)]
    for each in rules:
        own = [e for e in synapses if e["rule"] == each["rule"]]
        assert each["odd"] == len([e for e in own if e["flags"]])
        for name in ("angle_below", "angle_update", "sign_agreement", "snr", "variance_update"):
            known = [e[name] for e in own if e[name] is not None]
            assert each[name] == pytest.approx(np.mean(known))
    assert synapses[0]["angle_below"] is None  # the mean is that of conv1 alone
    table = run(*mixed)[1].partition("By rule, means over its synapses:")[2]
    assert [line.split()[:2] for line in table.splitlines() if line.split()[:1] in (["usf"], ["fa"])] == [
        ["usf", "2"],
        ["fa", "2"],
    ]
    assert run(*mixed, "--by-rule")[0] == 2


def test_after_ctrl_c_a_recording_has_what_the_terminal_showed(run, monkeypatch):
    """The window of 20 steps is not whole after 3."""
    monkeypatch.setattr("bionas_cupy.cli.watching.Progress.__call__", lambda self, done, of: done < 3)
    few = ["-q", "--subset", "96", "--batch", "32", "--steps", "100"]
    code, out, _ = run("inspect", "mlp", *few, "--out", "x", "--json")
    found = [each for each in objects(out) if each["event"] == "synapse"]
    assert (code, {each["window_steps"] for each in found}) == (0, {3})
    assert all(each["snr"] is not None for each in found)
    assert objects(run("inspect", "x", "--json")[1]) == found
    assert json.loads(Path("x/inspection.json").read_text()) == [
        {name: value for name, value in each.items() if name != "event"} for each in found
    ]


def test_ctrl_c_in_the_first_of_two_does_not_go_on_to_the_second(run, monkeypatch):
    began, work = [], watching.watched

    def watched(subject, *given):
        began.append(subject.title)
        os.kill(os.getpid(), signal.SIGINT)
        return work(subject, *given)

    monkeypatch.setattr(watching, "watched", watched)
    code, out, _ = run("inspect", "--compare", "mlp", "lenet", *SMALL, "--json")
    assert (code, began) == (0, ["mlp, digits"])
    assert {each["b"] for each in objects(out)} == {None}
    assert {each["a"]["last_update"] for each in objects(out)} == {0}
    assert "B: lenet, not begun." in run("inspect", "--compare", "mlp", "lenet", *SMALL)[1]


def test_the_first_step_compiles_and_gives_no_estimate(monkeypatch, capsys):
    now = iter([0.0, 100.0, 101.0, 115.0])
    monkeypatch.setattr(watching, "time", SimpleNamespace(monotonic=lambda: next(now)))
    progress = watching.Progress()
    for done in 1, 2, 16:
        progress(done, 76)
    assert capsys.readouterr().err == "step 1/76\nstep 16/76, 1:00 left\n"
