"""The command line: each command's result on stdout, its progress on stderr, what it reads and leaves."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from bionas_cupy.cli.main import commands
from bionas_cupy.cli.progress import Lines
from bionas_cupy.cli.train_result import wilson
from bionas_cupy.engine.registry import registered
from bionas_cupy.search.loop import Moment
from cli_cases import Command, objects

import bionas_cupy

SMALL = [
    *("--set", "images_per_epoch=64", "--set", "size.channels=2", "--set", "size.nodes=1"),
    *("--set", 'space.operations=["sep_conv_3x3", "skip_connect"]', "--rules", "fa,usf"),
]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(bionas_cupy.__file__).parents[1])}
EndsWell = Callable[..., tuple[str, str]]


@pytest.fixture
def ends_well(run: Command) -> EndsWell:
    """ends_well(*arguments) in a fresh working folder: stdout, stderr."""

    def ends_well(*arguments: str) -> tuple[str, str]:
        code, out, err = run(*arguments)
        assert code == 0, err
        return out, err

    return ends_well


def test_help_imports_nothing_heavy() -> None:
    script = "import sys; from bionas_cupy.cli.main import main; main(['--help']); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}
    assert not loaded & {"numpy", "pydantic", "rich", "h5py", "numba", "scipy", "PIL", "cupy"}


def test_version_and_help_of_every_command(ends_well: EndsWell) -> None:
    assert bionas_cupy.__version__ in ends_well("--version")[0]
    assert ends_well()[0] == ends_well("--help")[0]
    for name, command in commands.commands.items():
        out, err = ends_well(name, "--help")
        assert command.help is not None
        assert out.startswith(f"Usage: bionas-cupy {name}")
        assert not err


def test_search_train_evaluate(ends_well: EndsWell) -> None:
    out, err = ends_well("search", *SMALL, "--epochs", "2")
    assert "sep_conv_3x3" in out or "skip_connect" in out
    for text in (
        "runner-up",
        "share of weights",
        "runs/search-1/genotype.json",
        "1/3 = 0.3333",
        "after 2 steps",
    ):
        assert text in out
    assert "Next: bionas-cupy train runs/search-1 --epochs 50" in out
    told = dict.fromkeys(line.split(",")[0] for line in err.splitlines())  # more lines where kernels compile
    assert [*told] == ["epoch 1/2", "epoch 2/2"]
    size = ["--channels", "4", "--cells", "3", "--subset", "192", "--epochs", "1"]
    out, _ = ends_well("train", "runs/search-1", *size, "-q")
    assert "test accuracy" in out
    assert out.rstrip().endswith("Next: bionas-cupy evaluate runs/train-1")
    result = json.loads(Path("runs/train-1/result.json").read_text())
    (tested,) = objects(ends_well("evaluate", "runs/train-1", "--json")[0])
    assert {
        name: tested[name] for name in ("test_loss", "test_accuracy", "test_images")
    }.items() <= result.items()
    assert "% of 360 images" in ends_well("evaluate", "runs/train-1")[0]
    attack = [
        "evaluate",
        "runs/train-1",
        "--attack",
        "pgd",
        "--epsilon",
        "0,0.3",
        "--steps",
        "2",
        "--images",
        "30",
    ]
    still, moved = objects(ends_well(*attack, "--json")[0])
    assert (still["epsilon"], moved["epsilon"], moved["steps"], moved["test_images"]) == (0, 0.3, 2, 30)
    assert moved["test_accuracy"] <= still["test_accuracy"]
    assert "% of 30 images" in ends_well(*attack)[0]


def test_train_inoue(ends_well: EndsWell) -> None:
    size = ["--hidden", "20x2", "--subset", "100", "--epochs", "1", "--batch", "50"]
    readout = ["--readout", "inoue_output(probes=2)", "--set", "readout.epochs=2", "--constraint", "nonneg"]
    out, _ = ends_well("train", "inoue", *size, *readout, "-q", "--out", "a")
    assert "1 epoch a hidden layer, 2 of the read-out" in " ".join(out.split())
    ends_well("train", "inoue", "--hidden", "20", "--shots", "2", "--epochs", "1", "-q", "--out", "b")
    assert json.loads(Path("b/result.json").read_text())["train_images"] == 20


def test_search_json_is_all_that_is_on_stdout(ends_well: EndsWell) -> None:
    out, err = ends_well("search", *SMALL, "--epochs", "2", "--json", "-q", "--out", "here")
    events = objects(out)
    assert [e["event"] for e in events] == ["epoch", "epoch", "edge", "edge", "edge", "edge", "genotype"]
    assert err == ""
    assert {"epoch", "epochs", "train_loss", "alpha_entropy"} <= events[0].keys()
    assert {"cell", "node", "from", "op", "rule", "weight", "runner_up"} <= events[2].keys()
    assert events[-1]["genotype"] == json.loads(Path("here/genotype.json").read_text())


def test_a_finished_run_is_shown_again(ends_well: EndsWell) -> None:
    first, _ = ends_well("search", *SMALL, "--epochs", "1", "--out", "a folder")
    before = {path.name: path.read_bytes() for path in Path("a folder").iterdir()}
    again, err = ends_well("search", "--resume", "a folder", "--epochs", "1", "--seed", "0")
    assert (again, err) == (first, "")
    assert "Next: bionas-cupy train 'a folder'" in again
    assert {path.name: path.read_bytes() for path in Path("a folder").iterdir()} == before


def test_configuration_from_preset_file_options_and_set(ends_well: EndsWell) -> None:
    Path("c.toml").write_text(
        'preset = "small"\nepochs = 1\nseed = 3\n[architecture]\nlr = 0.5\nprice = 0.25\n'
    )
    ends_well(
        "search", "c.toml", *SMALL, "--seed", "4", "--price", "0.5", "--set", "architecture.price=0.75", "-q"
    )
    text = Path("runs/search-1/run.toml").read_text()
    for line in ('preset = "small"', "epochs = 1", "seed = 4", "lr = 0.5", "price = 0.75", "cells = 5"):
        assert line in text.splitlines()
    ends_well("search", "runs/search-1/run.toml", "-q")  # a run's own file repeats it
    genotypes = [Path(f"runs/search-{n}/genotype.json").read_text() for n in (1, 2)]
    assert genotypes[0] == genotypes[1]


def test_shared_weights_with_lookahead(ends_well: EndsWell) -> None:
    out, _ = ends_well("search", *SMALL, "--epochs", "1", "--weights", "shared", "--alpha", "lookahead", "-q")
    assert "the sum over its rules" in out
    assert "rule's share" in out


def test_second_order_where_every_rule_is_bp(ends_well: EndsWell) -> None:
    out, _ = ends_well(
        "search", *SMALL, "--epochs", "1", "--alpha", "second", "--rules", "bp", "--json", "-q"
    )
    found = objects(out)[-1]["genotype"]
    assert set(found["weights_per_rule"]) == {"bp"}
    assert found["provenance"]["gradient"] == "second"


def test_the_published_candidates(ends_well: EndsWell) -> None:
    out, _ = ends_well("search", *SMALL[:6], "--epochs", "1", "--space", "paper", "--json", "-q")
    found = objects(out)[-1]["genotype"]["provenance"]
    assert found["candidates"] == "paper"
    assert set(found["rules"]) == {"usf", "brsf", "frsf", "fa"}


@pytest.mark.parametrize("suffix", ["toml", "json"])
def test_train_by_rules_per_layer(ends_well: EndsWell, suffix: str) -> None:
    rules = {"*": "usf", "linear": "fa"}
    text = json.dumps(rules) if suffix == "json" else "".join(f'"{k}" = "{v}"\n' for k, v in rules.items())
    Path(f"rules.{suffix}").write_text(text)
    size = ["--subset", "96", "--epochs", "2", "--json", "-q"]
    events = objects(ends_well("train", "lenet", "--rules-per-layer", f"rules.{suffix}", *size)[0])
    assert [e["event"] for e in events] == ["epoch", "epoch", "result"]
    shares = events[-1]["weights_per_rule"]
    assert isinstance(shares, dict)
    assert set(shares) == {"usf", "fa"}


def test_resume_of_a_training_shows_its_result(ends_well: EndsWell) -> None:
    first, _ = ends_well(
        "train", "mlp", "--subset", "96", "--epochs", "1", "--rule", "dfa", "--lr", "0.01", "--out", "t"
    )
    assert ends_well("train", "--resume", "t")[0] == first


def test_rules_list_and_show(ends_well: EndsWell) -> None:
    cards = objects(ends_well("rules", "list", "--json")[0])
    assert len(cards) == len(registered())
    for each in cards:
        assert each.keys() >= {
            "name",
            "family",
            "bits",
            "reads",
            "procedure",
            "equation",
            "source",
            "options",
        }
        assert "Reads" in ends_well("rules", "show", str(each["name"]))[0]
    assert ends_well("rules") == ends_well("rules", "list")
    shown = ends_well("rules", "show", "usf(scale=1)")[0]
    for text in (
        "δx = s·sign(W)ᵀ δ",
        "Liao, Leibo & Poggio 2016",
        "1 bit per weight",
        "--rule 'usf(scale=1)'",
    ):
        assert text in shown
    assert "a signal broadcast to every layer" in ends_well("rules", "show", "dfa")[0]


def test_data_list_and_check(ends_well: EndsWell) -> None:
    found = {
        f["name"]: f["status"] for f in objects(ends_well("data", "list", "--json", "--data-dir", ".")[0])
    }
    assert found["digits"] == "found"
    assert found["cifar10"] == "missing"
    assert "digits" in ends_well("data")[0]
    assert "1437 training, 360 test" in ends_well("data", "check", "digits")[0]
    (digits,) = objects(ends_well("data", "check", "digits", "--json")[0])
    assert digits["official"] is True


def test_doctor(ends_well: EndsWell) -> None:
    found = {each["check"]: each for each in objects(ends_well("doctor", "--json")[0])}
    assert {"python", "device", "threads", "numba", "disk", "memory", "terminal"} <= found.keys()
    assert {each["status"] for each in found.values()} <= {"ok", "note"}
    assert "GiB free" in ends_well("doctor")[0]


def test_doctor_notes_where_nothing_can_be_cached(
    ends_well: EndsWell, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("numba")
    Path("file").touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", "file")
    found = {each["check"]: each for each in objects(ends_well("doctor", "--json")[0])}
    assert found["numba"]["status"] == "note"
    assert "NUMBA_CACHE_DIR" in str(found["numba"]["cure"])


def test_lines_every_30_seconds_and_each_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    clock = [0.0]
    report = Lines(lambda: clock[0])
    for clock[0], step, ends in ((10.0, 11, False), (31.0, 21, False), (40.0, 30, False), (50.0, 40, True)):
        score = {"train_loss": 0.5} if ends else {}
        report(Moment(0, 2, step, 80, score, ends, lambda: {"train_loss": 0.75}))
    assert capsys.readouterr().err.splitlines() == [
        "epoch 1/2, step 21/80; train loss 0.75; 0.476 steps/s, 2:04 left",
        "epoch 1/2, step 40/80; train loss 0.5; 0.725 steps/s, 0:55 left",
    ]


def test_wilson_interval() -> None:
    assert wilson(0.5, 100) == pytest.approx((0.4038, 0.5962), abs=1e-4)
    assert wilson(1.0, 100)[1] == pytest.approx(1.0)
