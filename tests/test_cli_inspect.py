"""`inspect` and `trace`: runs, genotypes, networks and recordings; what they print and leave."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from bionas_cupy.analysis import signals_file, style
from bionas_cupy.analysis.course import of_layers
from bionas_cupy.engine import atomic
from bionas_cupy.engine.checkpoint import digest
from bionas_cupy.engine.run_folder import RunFolder
from cli_cases import THREE_STEPS as SMALL
from cli_cases import objects

import bionas_cupy as bn

SETTINGS = {"epochs": 1, "batch": 32, "data": {"subset": 96}}
GENOTYPE = {
    "normal": [{"node": 2, "from": 0, "op": "sep_conv_3x3", "rule": "usf"}],
    "reduce": [{"node": 2, "from": 1, "op": "skip_connect", "rule": None}],
    "concat": [2],
}


def test_a_network_by_name(run):
    code, out, err = run("inspect", "lenet", "--rule", "fa", *SMALL)
    assert (code, err) == (0, "")
    for layer in ("conv0 ", "conv1", "linear !", "classifier"):
        assert layer in out
    assert "this layer learns nothing that its loss can feel" in out
    assert "means over 3 recorded steps, updates 0 to 2" in out
    code, out, _ = run("inspect", "lenet", "--rule", "fa", *SMALL, "--json", "--layers", "c*", "--every", "2")
    found = objects(out)
    assert [each["layer"] for each in found] == ["conv0", "conv1", "classifier"]
    assert {(each["steps"], each["last_update"], each["ran"]) for each in found} == {(2, 2, "fa")}
    assert found[0]["angle_below"] is None
    assert found[2]["angle_feedback_weights"] == pytest.approx(90, abs=3)


def test_a_genotype_and_a_python_call_give_the_same(run, tmp_path):
    Path("g.json").write_text(json.dumps(GENOTYPE))
    code, out, _ = run(
        "inspect", "g.json", *SMALL, "--json", "--set", "size.channels=4", "--set", "size.cells=3"
    )
    assert code == 0
    settings = {"batch": 32, "data": {"subset": 96}, "size": {"channels": 4, "cells": 3}}
    seen = bn.inspect("g.json", steps=3, **settings)
    assert [{"event": "synapse", **each} for each in seen.summary()] == objects(out)
    ops = {each["op"] for each in seen.summary()}
    assert {"depthwise 3x3", "pointwise", "pointwise stride 2", "conv 3x3", "linear"} <= ops


@pytest.mark.parametrize("rule", [None, "dfa"])
def test_a_run_goes_on_from_its_checkpoint_and_is_left_as_it_is(run, tmp_path, rule):
    bn.run_train("run", model="lenet", rule="usf", **SETTINGS)
    before = {path: path.read_bytes() for path in Path("run").rglob("*") if path.is_file()}
    code, out, _ = run("inspect", "run", "--steps", "2", "--json", *(["--rule", rule] if rule else []))
    assert code == 0
    assert {path: path.read_bytes() for path in Path("run").rglob("*") if path.is_file()} == before
    found = objects(out)
    assert {each["first_update"] for each in found} == {3}
    assert {each["rule"] for each in found} == {rule or "usf"}
    arrays, _ = RunFolder(Path("run")).load()
    W = arrays["weights"][: 20 * 25]  # conv0's come first; at the end of its schedule a run's weights rest
    assert found[0]["norm_W"] == pytest.approx(np.linalg.norm(W.astype(np.float64)), rel=1e-6)


def test_a_search_has_a_row_a_lane(run):
    space = {"operations": ["sep_conv_3x3"], "rules": ["usf", "bp"]}
    size = {"channels": 2, "cells": 2, "nodes": 1}
    bn.run_search("run", images_per_epoch=32, epochs=1, space=space, size=size)
    end = digest(*RunFolder(Path("run")).load())
    code, out, _ = run("inspect", "run", "--steps", "1", "--json", "--layers", "*edge0*pointwise1")
    found = objects(out)
    assert code == 0
    assert [(each["lane"], each["rule"]) for each in found] == [(0, "usf"), (1, "bp")] * 2
    names = [each["layer"] for each in objects(run("inspect", "run", "--steps", "1", "--json")[1])]
    parts = list(dict.fromkeys(".".join(name.split(".")[:2]) for name in names))
    cells = [
        f"cell{cell}.{part}" for cell in "01" for part in ("preprocess0", "preprocess1", "edge0", "edge1")
    ]
    assert parts == ["stem.conv", *cells, "classifier"]  # as they stand in the network
    ledger = run("trace", "run")[1]
    assert all(f"\n {name} " in ledger for name in names if "edge" not in name)
    assert "edge0.sep_conv_3x3.depthwise0#1 " in ledger
    assert digest(*RunFolder(Path("run")).load()) == end
    code, _, err = run("inspect", "run", "--rule", "fa")
    assert code == 2
    assert "rule cannot be given" in err


def test_recordings_are_kept_read_and_compared(run):
    for rule in "usf", "fa":
        code, out, _ = run("inspect", "lenet", "--rule", rule, *SMALL, "--out", rule)
        assert (code, "signals.h5" in out) == (0, True)
    assert len(json.loads(Path("usf/inspection.json").read_text())) == 4
    assert bn.read_signals("usf").updates.tolist() == [0, 1, 2]
    code, again, _ = run("inspect", "usf", "--json")
    assert objects(again) == [
        {"event": "synapse"} | e for e in json.loads(Path("usf/inspection.json").read_text())
    ]
    code, out, _ = run("inspect", "--compare", "usf", "fa")
    assert code == 0
    assert "A: lenet, usf, digits. B: lenet, fa, digits." in out
    assert "B, linear: angle" in out
    code, out, _ = run("inspect", "--compare", "usf", "fa", "--json")
    assert [each["a"]["rule"] + each["b"]["rule"] for each in objects(out)] == ["usffa"] * 4
    code, _, err = run("inspect", "lenet", *SMALL, "--out", "usf")
    assert (code, "already holds signals" in err) == (2, True)


def test_of_a_recording_only_the_layers_asked_for_are_shown(run):
    assert run("inspect", "lenet", *SMALL, "--out", "x")[0] == 0
    chosen = ["--layers", "conv*", "--layers", "lin*"]
    found = objects(run("inspect", "x", *chosen, "--json")[1])
    assert [each["layer"] for each in found] == ["conv0", "conv1", "linear"]
    whole = {each["layer"]: each for each in objects(run("inspect", "x", "--json")[1])}
    assert found == [whole[each["layer"]] for each in found]
    counts = [of_layers(bn.read_signals("x"), names).counts("dW", 9) for names in (["*"], ["linear"])]
    assert np.array_equal(counts[0][2:3], counts[1])
    for given, told in [
        (["--layers", "conv9"], 'no weighted layer is named like "conv9"'),
        (["--steps", "50", "--every", "2"], "--steps, --every cannot be given beside it"),
        (["--out", "y"], "--out cannot be given beside it"),
        (["--rule", "fa"], "no setting can be given beside it"),
    ]:
        code, out, err = run("inspect", "x", *given)
        assert (code, out, told in err) == (2, "", True)
    assert not Path("y").exists()


def test_a_run_with_a_recording_is_the_run_and_the_file_the_recording(run):
    with bn.inspection(sink=signals_file.SignalsFile(Path("run"))):
        bn.run_train("run", model="mlp", **SETTINGS)
    code, out, err = run("inspect", "run", "--steps", "2", "--json")
    assert (code, {each["first_update"] for each in objects(out)}) == (0, {3})
    assert err == '"run" is inspected as the run that it holds; its recording is "run/signals.h5".\n'
    code, out, err = run("inspect", "run/signals.h5", "--json", "--layers", "class*")
    assert (code, err, {each["last_update"] for each in objects(out)}) == (0, "", {2})
    code, _, err = run("inspect", "run/signals.h5", "--steps", "2")
    assert (code, '"run/signals.h5" is a recording: --steps cannot be given' in err) == (2, True)
    code, out, _ = run("inspect", "--compare", "run", "run/signals.h5", "--steps", "1", "--json", "-q")
    assert {(each["a"]["first_update"], each["b"]["first_update"]) for each in objects(out)} == {(3, 0)}
    code, _, err = run("inspect", "elsewhere/signals.h5")
    assert (code, '"elsewhere" holds no signals' in err) == (2, True)


def test_the_second_name_is_looked_at_before_the_first_is_trained(run, monkeypatch):
    monkeypatch.setattr("bionas_cupy.cli.watching.watched", lambda *_: pytest.fail("trained"))
    code, _, err = run("inspect", "--compare", "mlp", "nothere")
    assert (code, '"nothere" is no run' in err) == (2, True)


def test_a_full_disk_ends_the_recording_and_not_the_run(run, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("bionas_cupy.engine.atomic._sync", full)
    code, out, err = run("inspect", "mlp", *SMALL, "--out", "x")
    assert code == 0
    assert err.count("No space left") == 2  # of the signals, of the summary
    assert "means over 3 recorded steps" in out
    assert "signals.h5" not in out


def test_what_a_budget_leaves_is_said(run, monkeypatch):
    monkeypatch.setattr(signals_file, "LEAST", 1)  # of a short run
    few = ["-q", "--subset", "64", "--batch", "8", "--set", "hidden=[4,4]"]
    asked = ["inspect", "mlp", *few, "--steps"]
    code, out, _ = run(*asked, "40", "--budget", "100kB", "--out", "x", "--json")
    told = objects(out)[-1]
    kept = bn.read_signals("x").updates
    assert (code, told["event"], told["path"], told["recorded"]) == (0, "signals", "x/signals.h5", 40)
    assert told["stride"] > 1
    assert kept.tolist() == list(range(0, 40, told["stride"]))
    assert told["bytes"] == sum(path.stat().st_size for path in Path("x").rglob("*.h5")) <= 100_000
    code, out, _ = run(*asked, "2", "--budget", "100kB", "--out", "y")
    assert "Signals: y/signals.h5\n" in out
    assert "kB, 2 recorded steps." in out


def test_a_disk_that_fills_up_leaves_what_was_written(run, monkeypatch):
    synced, sync = [], atomic._sync

    def filling(*given):
        synced.append(given)
        if len(synced) > 6:  # of segments and their index
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return sync(*given)

    monkeypatch.setattr(atomic, "_sync", filling)
    monkeypatch.setattr(signals_file, "FLUSH", 0.0)  # every step
    code, out, err = run("inspect", "mlp", *SMALL[:-1], "9", "--out", "x")
    assert code == 0
    assert "Recording stopped, the run goes on" in err
    assert "means over 9 recorded steps" in out
    assert "; the disk refused the rest." in out
    assert 0 < len(bn.read_signals("x").updates) < 9


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["inspect"], "Name one thing to inspect"),
        (["inspect", "lenett"], 'Did you mean "lenet"'),
        (["inspect", "lenet", "--layers", "kernel*"], 'no weighted layer is named like "kernel*"'),
        (["inspect", "lenet", "--budget", "many"], '"many" is no size'),
        (["inspect", "lenet", "--budget", "1kB", "--out", "x"], "budget is 1000 bytes"),
        (["inspect", "lenet", "--pictures"], "--pictures need a folder"),
        (["inspect", "lenet", "--steps", "0"], "--steps"),
        (["inspect", "."], "holds neither a run nor a genotype"),
        (["trace", "lenet", "--numbers", "conv9"], 'no weighted layer is named "conv9"'),
    ],
)
def test_errors_are_for_people(run, arguments, told):
    code, out, err = run(*arguments)
    assert code == 2
    assert told in err
    assert err.count("\n") == 1
    assert out == ""


def test_pictures_need_matplotlib(run, monkeypatch):
    monkeypatch.setattr(style, "find_spec", lambda _: None)
    code, _, err = run("inspect", "lenet", "--out", "x", "--pictures")
    assert code == 2
    assert "pip install 'bionas-cupy[report]'" in err
    assert not Path("x").exists()


def test_pictures(run):
    pytest.importorskip("matplotlib")
    code, out, _ = run("inspect", "lenet", "--rule", "usf", *SMALL, "--out", "x", "--pictures", "--json")
    assert code == 0
    paths = [Path(path) for path in objects(out)[-1]["paths"]]
    names = {path.name for path in paths}
    assert {"angle_update.svg", "angle_update.png", "angle_below_map.png", "histograms.svg"} <= names
    assert all(path.stat().st_size > 2000 for path in paths)
    code, out, _ = run("inspect", "x", "--out", "later/drawn", "--pictures", "--json")
    assert code == 0
    assert {Path(path).name for path in objects(out)[-1]["paths"]} == names


def test_a_ledger_goes_from_the_loss_to_the_data(run):
    code, out, _ = run("trace", "lenet", "--rule", "usf", "--subset", "96", "--batch", "32")
    assert code == 0
    places = [out.index(f"\n {layer} ") for layer in ("classifier", "linear", "conv1", "conv0")]
    assert places == sorted(places)
    assert "= s·sign(W)ᵀ δ" in out
    assert "32×50×4×4" in out
    local = ["--rule", "oja", "--set", "rules_per_layer.classifier=bp"]
    code, out, _ = run("trace", "lenet", *local, "--subset", "96", "--batch", "32", "--json")
    second = objects(out)[1]
    assert (second["layer"], second["sends"], second["learns"]) == ("linear", "0", "Yᵀ (X - Y W) / N")


def test_the_numbers_of_a_ledger_can_be_followed_by_hand(run):
    tiny = ["--subset", "30", "--batch", "2", "--set", "hidden=[3]", "--numbers", "classifier"]
    code, out, _ = run("trace", "mlp", "--rule", "fa", *tiny, "--json")
    assert code == 0
    *entries, told = objects(out)
    n = {name: np.array(value) for name, value in told.items() if isinstance(value, list)}
    assert np.allclose(n["below"], n["delta"] @ n["B"], rtol=1e-4)
    assert np.allclose(n["below_exact"], n["delta"] @ n["W"], rtol=1e-4)
    assert np.allclose(n["dW"], -n["delta"].T @ n["x"], rtol=1e-4, atol=1e-7)
    assert entries[0]["norms"]["below"] == pytest.approx(np.linalg.norm(n["below"]), rel=1e-5)
    assert "classifier B 10×3" in run("trace", "mlp", "--rule", "fa", *tiny)[1]


def test_nothing_heavy_is_imported_for_help():
    script = (
        "import sys; from bionas_cupy.cli.main import main; main(['inspect', '--help']); print(*sys.modules)"
    )
    path = str(Path(bn.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = [{path!r}]; {script}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    loaded = {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}
    assert not loaded & {"numpy", "matplotlib", "h5py", "numba"}
