"""The command line: each command's result on stdout, its progress on stderr, what it reads and leaves."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from bionas_cupy.cli.main import commands, main
from bionas_cupy.cli.progress import Lines
from bionas_cupy.cli.train_result import wilson
from bionas_cupy.engine.registry import registered
from bionas_cupy.search.loop import Moment

import bionas_cupy

SMALL = [
    *("--set", "images_per_epoch=64", "--set", "size.channels=2", "--set", "size.nodes=1"),
    *("--set", 'space.operations=["sep_conv_3x3", "skip_connect"]', "--rules", "fa,usf"),
]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(bionas_cupy.__file__).parents[1])}
Run = Callable[..., tuple[str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """run(*arguments) in a fresh working folder: (stdout, stderr) of a command that ends well."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[str, str]:
        capsys.readouterr()
        code = main(arguments)
        out, err = capsys.readouterr()
        assert code == 0, err
        return out, err

    return run


def lines(out: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.splitlines()]


def test_help_imports_nothing_heavy() -> None:
    script = "import sys; from bionas_cupy.cli.main import main; main(['--help']); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}
    assert not loaded & {"numpy", "pydantic", "rich", "h5py", "numba", "scipy", "PIL", "cupy"}


def test_version_and_help_of_every_command(run: Run) -> None:
    assert bionas_cupy.__version__ in run("--version")[0]
    assert run()[0] == run("--help")[0]
    for name, command in commands.commands.items():
        out, err = run(name, "--help")
        assert command.help is not None
        assert out.startswith(f"Usage: bionas-cupy {name}")
        assert not err


def test_search_train_evaluate(run: Run) -> None:
    out, err = run("search", *SMALL, "--epochs", "2")
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
    out, _ = run("train", "runs/search-1", *size, "-q")
    assert "test accuracy" in out
    assert out.rstrip().endswith("Next: bionas-cupy evaluate runs/train-1")
    result = json.loads(Path("runs/train-1/result.json").read_text())
    (tested,) = lines(run("evaluate", "runs/train-1", "--json")[0])
    assert {
        name: tested[name] for name in ("test_loss", "test_accuracy", "test_images")
    }.items() <= result.items()
    assert "% of 360 images" in run("evaluate", "runs/train-1")[0]
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
    still, moved = lines(run(*attack, "--json")[0])
    assert (still["epsilon"], moved["epsilon"], moved["steps"], moved["test_images"]) == (0, 0.3, 2, 30)
    assert moved["test_accuracy"] <= still["test_accuracy"]
    assert "% of 30 images" in run(*attack)[0]


def test_train_inoue(run: Run) -> None:
    size = ["--hidden", "20x2", "--subset", "100", "--epochs", "1", "--batch", "50"]
    readout = ["--readout", "inoue_output(probes=2)", "--set", "readout.epochs=2", "--constraint", "nonneg"]
    out, _ = run("train", "inoue", *size, *readout, "-q", "--out", "a")
    assert "1 epoch a hidden layer, 2 of the read-out" in " ".join(out.split())
    run("train", "inoue", "--hidden", "20", "--shots", "2", "--epochs", "1", "-q", "--out", "b")
    assert json.loads(Path("b/result.json").read_text())["train_images"] == 20


def test_search_json_is_all_that_is_on_stdout(run: Run) -> None:
    out, err = run("search", *SMALL, "--epochs", "2", "--json", "-q", "--out", "here")
    events = lines(out)
    assert [e["event"] for e in events] == ["epoch", "epoch", "edge", "edge", "edge", "edge", "genotype"]
    assert err == ""
    assert {"epoch", "epochs", "train_loss", "alpha_entropy"} <= events[0].keys()
    assert {"cell", "node", "from", "op", "rule", "weight", "runner_up"} <= events[2].keys()
    assert events[-1]["genotype"] == json.loads(Path("here/genotype.json").read_text())


def test_a_finished_run_is_shown_again(run: Run) -> None:
    first, _ = run("search", *SMALL, "--epochs", "1", "--out", "a folder")
    before = {path.name: path.read_bytes() for path in Path("a folder").iterdir()}
    again, err = run("search", "--resume", "a folder", "--epochs", "1", "--seed", "0")
    assert (again, err) == (first, "")
    assert "Next: bionas-cupy train 'a folder'" in again
    assert {path.name: path.read_bytes() for path in Path("a folder").iterdir()} == before


def test_configuration_from_preset_file_options_and_set(run: Run) -> None:
    Path("c.toml").write_text(
        'preset = "small"\nepochs = 1\nseed = 3\n[architecture]\nlr = 0.5\nprice = 0.25\n'
    )
    run("search", "c.toml", *SMALL, "--seed", "4", "--price", "0.5", "--set", "architecture.price=0.75", "-q")
    text = Path("runs/search-1/run.toml").read_text()
    for line in ('preset = "small"', "epochs = 1", "seed = 4", "lr = 0.5", "price = 0.75", "cells = 5"):
        assert line in text.splitlines()
    run("search", "runs/search-1/run.toml", "-q")  # a run's own file repeats it
    genotypes = [Path(f"runs/search-{n}/genotype.json").read_text() for n in (1, 2)]
    assert genotypes[0] == genotypes[1]


def test_shared_weights_with_lookahead(run: Run) -> None:
    out, _ = run("search", *SMALL, "--epochs", "1", "--weights", "shared", "--alpha", "lookahead", "-q")
    assert "the sum over its rules" in out
    assert "rule's share" in out


def test_second_order_where_every_rule_is_bp(run: Run) -> None:
    out, _ = run("search", *SMALL, "--epochs", "1", "--alpha", "second", "--rules", "bp", "--json", "-q")
    found = lines(out)[-1]["genotype"]
    assert set(found["weights_per_rule"]) == {"bp"}
    assert found["provenance"]["gradient"] == "second"


def test_the_published_candidates(run: Run) -> None:
    out, _ = run("search", *SMALL[:6], "--epochs", "1", "--space", "paper", "--json", "-q")
    found = lines(out)[-1]["genotype"]["provenance"]
    assert found["candidates"] == "paper"
    assert set(found["rules"]) == {"usf", "brsf", "frsf", "fa"}


@pytest.mark.parametrize("suffix", ["toml", "json"])
def test_train_by_rules_per_layer(run: Run, suffix: str) -> None:
    rules = {"*": "usf", "linear": "fa"}
    text = json.dumps(rules) if suffix == "json" else "".join(f'"{k}" = "{v}"\n' for k, v in rules.items())
    Path(f"rules.{suffix}").write_text(text)
    size = ["--subset", "96", "--epochs", "2", "--json", "-q"]
    events = lines(run("train", "lenet", "--rules-per-layer", f"rules.{suffix}", *size)[0])
    assert [e["event"] for e in events] == ["epoch", "epoch", "result"]
    shares = events[-1]["weights_per_rule"]
    assert isinstance(shares, dict)
    assert set(shares) == {"usf", "fa"}


def test_resume_of_a_training_shows_its_result(run: Run) -> None:
    first, _ = run(
        "train", "mlp", "--subset", "96", "--epochs", "1", "--rule", "dfa", "--lr", "0.01", "--out", "t"
    )
    assert run("train", "--resume", "t")[0] == first


def test_rules_list_and_show(run: Run) -> None:
    cards = lines(run("rules", "list", "--json")[0])
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
        assert "Reads" in run("rules", "show", str(each["name"]))[0]
    assert run("rules") == run("rules", "list")
    shown = run("rules", "show", "usf(scale=1)")[0]
    for text in (
        "δx = s·sign(W)ᵀ δ",
        "Liao, Leibo & Poggio 2016",
        "1 bits per weight",
        "--rule 'usf(scale=1)'",
    ):
        assert text in shown
    assert "a signal broadcast to every layer" in run("rules", "show", "dfa")[0]


def test_data_list_and_check(run: Run) -> None:
    found = {f["name"]: f["status"] for f in lines(run("data", "list", "--json", "--data-dir", ".")[0])}
    assert found["digits"] == "found"
    assert found["cifar10"] == "missing"
    assert "digits" in run("data")[0]
    assert "1437 training, 360 test" in run("data", "check", "digits")[0]
    (digits,) = lines(run("data", "check", "digits", "--json")[0])
    assert digits["official"] is True


def test_doctor(run: Run) -> None:
    found = {each["check"]: each for each in lines(run("doctor", "--json")[0])}
    assert {"python", "device", "threads", "numba", "disk", "memory", "terminal"} <= found.keys()
    assert {each["status"] for each in found.values()} <= {"ok", "note"}
    assert "GiB free" in run("doctor")[0]


def test_doctor_notes_where_nothing_can_be_cached(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    Path("file").touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", "file")
    found = {each["check"]: each for each in lines(run("doctor", "--json")[0])}
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
