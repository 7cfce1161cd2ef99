"""What goes wrong on the command line: one line on stderr, nothing on stdout, the exit code, no traceback."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from bionas_cupy.cli import failures, search_result
from bionas_cupy.cli.main import main
from bionas_cupy.engine import checkpoint
from bionas_cupy.engine.backend import select
from bionas_cupy.engine.errors import DeviceError
from cli_cases import Command

import bionas_cupy

SMALL = [
    *("-q", "--set", "images_per_epoch=64", "--set", "size.channels=2", "--set", "size.nodes=1"),
    *("--set", 'space.operations=["sep_conv_3x3"]', "--rules", "usf", "--epochs", "1"),
]
PYTHON = [sys.executable, "-m", "bionas_cupy.cli.main"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(bionas_cupy.__file__).parents[1])}
Fails = Callable[..., str]


@pytest.fixture
def fails(run: Command) -> Fails:
    """fails(code, *arguments) in a fresh working folder: what follows "error:" on the one line of stderr."""

    def fails(code: int, *arguments: str) -> str:
        found, out, err = run(*arguments)
        assert (found, out) == (code, ""), err
        return one_line(err)

    return fails


def one_line(err: str) -> str:
    assert err.startswith("bionas-cupy: error: ")
    assert err.endswith("\n")
    assert err.count("\n") == 1, err
    return err.removeprefix("bionas-cupy: error: ").rstrip()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["serch"], ['"serch" is unknown', 'Did you mean "search"']),
        (["rules", "shwo"], ['Did you mean "show"?']),
        (["train", "lenet", "x"], ["unexpected extra argument (x). See bionas-cupy train --help."]),
        (["train", f"{'x' * 300}.json"], [f'"{"x" * 40}…" is too long for a name.']),
        (["search", "--strategy", "ga", "--genotype", ""], ["cannot be read"]),
        (["search", "--sed", "3"], ["No such option", "--seed", "bionas-cupy search --help"]),
        (["search", "--alpha", "frist"], ["'frist' is not one of 'first', 'second', 'lookahead'"]),
        (["search", "--epochs", "many"], ["'many' is not a valid integer"]),
        (["search", "--epochs", "-1"], ["epochs: input should be greater than or equal to 1, got -1"]),
        (["search", "--rules", "fa,uss"], ['rule "uss" is unknown', 'Did you mean "usf"']),
        (["search", "--rules", "usf,usf"], ['rule "usf" is given twice']),
        (["search", "--rules", ""], ["no rule is given"]),
        (
            ["search", "--graph", "--device", "cpu"],
            ["--graph records steps on CUDA", "on cpu", "Leave it out"],
        ),
        (["train", "lenet", "--set", "graph=true", "--device", "cpu"], ["--graph records steps on CUDA"]),
        (["search", "--graph", "--strategy", "random"], ["--graph records steps of --strategy darts"]),
        (
            ["train", "softhebb", "--graph"],
            ["--graph records steps of all layers at once", 'stages are "two"'],
        ),
        (["search", "--preset", "paper", "--rules", "bp"], ["published 22", "Leave out --rules"]),
        (["search", "--set", "epochs"], ['--set "epochs" cannot be read']),
        (["search", "--set", "size.chanels=4"], ["size.chanels is unknown", "size.channels"]),
        (["search", "--set", "rules.stem=fz"], ['rule "fz" is unknown']),
        (
            ["search", "--set", "preset=huge"],
            ["preset: input should be 'smoke', 'small' or 'paper', got 'huge'"],
        ),
        (["search", "--data-dir", "."], ['"digits" is embedded', "Leave out --data-dir", "mnist"]),
        (["search", "--data", "./", "--data-dir", "."], ["is a folder by itself", "Leave out --data-dir"]),
        (
            ["search", "--strategy", "evolution", "--set", "evolution={population=3,sample=4}"],
            ["a sample of 4", "a population of 3", "Lower evolution.sample"],
        ),
        (["inspect", "mlp", "--budget", "1MB"], ["add --out DIR"]),
        (["inspect", "--compare", "a", "b", "--out", "c", "--budget", "1MB"], ["leave out --compare"]),
        (["search", "--weights", "shared"], ["exactly zero", "Use --alpha lookahead"]),
        (["search", "--alpha", "second"], ["updates are not gradients"]),
        (["search", "--data", "cifar11"], ["neither a known data set nor a folder", '"cifar10"']),
        (["search", "--subset", "99999"], ["subset: 99999 of the 1437 images of digits"]),
        (["search", "--out", "a", "--resume", "a"], ["exclude each other"]),
        (["search", "--resume", "nowhere"], ['"nowhere" is not a run']),
        (["search", "missing.toml"], ['configuration "missing.toml" cannot be read: No such file']),
        (["train"], ["Name what to train", "bionas-cupy train --help"]),
        (["train", "missing.json"], ['genotype "missing.json" cannot be read: No such file or directory']),
        (["train", "resnet2"], ["neither a network nor a genotype", '"resnet20"']),
        (["train", "lenet", "--rule", "usff"], ['rule "usff" is unknown. Did you mean "usf"']),
        (["train", "lenet", "--rules-per-layer", "no.json"], ['rules "no.json" cannot be read']),
        (["train", "lenet", "--batch", "5000"], ["batch 5000 is larger than the 1437 images"]),
        (["evaluate"], ["Missing argument 'RUN'"]),
        (["evaluate", ".", "--images", "3"], ["add --attack"]),
        (["evaluate", ".", "--attack", "pgd", "--epsilon", "far"], ["cannot be read"]),
        (["evaluate", ".", "--epsilon", ""], ["add --attack"]),
        (["train", "inoue", "--hidden", "20y"], ["2000x10"]),
        (["train", "mlp", "--rule", ""], ['rule "" is unknown']),
        (["train", "mlp", "--set", "optimiser=3"], ["optimiser: input should be a table of settings, got 3"]),
        (["train", "mlp", "--set", f"hidden={'x' * 999}"], [f"got '{'x' * 79}…"]),
        (["weights", "mlp", "--layers", "nope"], ['named like "nope"', "There are: hidden0"]),
        (["evaluate", "nowhere"], ['"nowhere" is not a run']),
        (["rules", "show", "usff"], ['rule "usff" is unknown. Did you mean "usf"']),
        (["data", "check", "digitz"], ['Did you mean "digits"']),
    ],
)
def test_usage_errors_leave_nothing_behind(fails: Fails, arguments: list[str], said: list[str]) -> None:
    message = fails(2, *arguments)
    for text in said:
        assert text in message
    assert [path for path in Path(".").rglob("*") if path.name != "runs"] == []


def test_every_configuration_error_at_once(fails: Fails) -> None:
    Path("c.toml").write_text("epochs = 0\nbatsh = 3\n[optimiser]\nlr = -1.0\n")
    message = fails(2, "search", "c.toml", "--price", "-2")
    for text in (
        "epochs: input",
        "batsh is unknown",
        '"batch"',
        "optimiser.lr: input",
        "architecture.price: input",
    ):
        assert text in message


def test_missing_and_truncated_data(fails: Fails) -> None:
    assert "/nowhere does not exist" in fails(3, "search", "--data", "cifar10", "--data-dir", "/nowhere")
    folder = Path("cifar-10-batches-bin")
    folder.mkdir()
    for name in [f"data_batch_{n}.bin" for n in range(1, 6)] + ["test_batch.bin"]:
        (folder / name).write_bytes(bytes(3073 * 2))
    (folder / "data_batch_3.bin").write_bytes(bytes(3073 + 1000))
    assert "data_batch_3.bin" in fails(3, "search", "--data", "cifar10", "--data-dir", ".")
    assert "data_batch_3.bin" in fails(3, "data", "check", "cifar10", "--data-dir", ".")
    file = str(folder / "data_batch_3.bin")
    assert f"({file} is no folder)" in fails(3, "data", "check", "mnist", "--data-dir", file)
    assert not list(Path("runs").iterdir())


def test_a_genotype_that_is_wrong(fails: Fails) -> None:
    edge = {"node": 2, "from": 0, "op": "sep_conv_9x9", "rule": "usf"}
    Path("g.json").write_text(json.dumps({"format": 1, "normal": [edge], "reduce": [edge], "concat": [2]}))
    message = fails(2, "train", "g.json")
    assert 'operation "sep_conv_9x9" is unknown' in message
    assert "sep_conv_3x3" in message or "sep_conv_5x5" in message
    Path("g.json").write_text("{")
    assert 'genotype "g.json" is not JSON' in fails(2, "train", "g.json")
    Path("g.json").write_text("[1, 2]")
    assert 'genotype "g.json": expected a JSON object.' in fails(2, "train", "g.json")
    Path("g.json").write_text("{}")
    assert "normal is missing; reduce is missing" in fails(2, "train", "g.json")


def test_what_is_nested_too_deeply(fails: Fails) -> None:
    Path("deep.json").write_text("[" * 100_000)
    Path("deep.toml").write_text("a = " + "[" * 100_000)
    assert 'genotype "deep.json" is not JSON' in fails(2, "train", "deep.json")
    assert 'rules "deep.json" is not JSON' in fails(2, "train", "mlp", "--rules-per-layer", "deep.json")
    assert 'configuration "deep.toml" is not TOML' in fails(2, "search", "deep.toml")
    assert "hidden: input should be a valid list" in fails(2, "train", "mlp", "--set", "hidden=" + "[" * 9999)


def test_a_folder_that_holds_a_run(fails: Fails, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", *SMALL, "--out", "done"]) == 0
    assert "use --resume or another --out" in fails(2, "search", *SMALL, "--out", "done")
    assert "epochs was 1, now 2" in fails(2, "search", "--resume", "done", "--epochs", "2")
    assert "seed was 0, now 5; price" not in fails(2, "search", "--resume", "done", "--seed", "5")
    assert "Use bionas-cupy search --resume" in fails(2, "train", "--resume", "done")
    assert "is a search" in fails(2, "evaluate", "done")
    Path("done/run.toml").write_text("epochs = ")
    assert "damaged" in fails(4, "search", "--resume", "done")


def test_a_damaged_checkpoint(fails: Fails) -> None:
    assert main(["train", "mlp", "--subset", "96", "--epochs", "1", "-q", "--out", "t"]) == 0
    Path("t/checkpoint.h5").write_bytes(Path("t/checkpoint.h5").read_bytes()[:-1])
    assert "checkpoint.h5" in fails(4, "evaluate", "t")
    Path("t/result.json").write_text("[]")
    for command in (["compare", "t"], ["train", "--resume", "t"]):
        assert 't/result.json" is damaged: expected a JSON object' in fails(4, *command)
    Path("t/run.toml").write_text("epochs = ")
    for name in ("evaluate", "weights", "inspect", "trace", "compare", "front"):
        assert 't/run.toml" is damaged' in fails(4, name, "t")


def test_the_checkpoint_of_another_version(fails: Fails, capsys: pytest.CaptureFixture[str]) -> None:
    """Sound in itself, but with other arrays than this version writes."""
    assert main(["search", *SMALL, "--out", "done"]) == 0
    path = Path("done/checkpoint.h5")
    arrays, meta = checkpoint.load(path)
    (Path("done") / "genotype.json").unlink()
    manifest = json.loads(Path("done/manifest.json").read_text())
    Path("done/manifest.json").write_text(json.dumps(manifest | {"finished": None}))
    for left, said in [
        (
            {k: v for k, v in arrays.items() if k != "broadcast.variance"},
            'has no "broadcast.variance": another',
        ),
        (arrays | {"weights": arrays["weights"][1:]}, "weights, this network"),
    ]:
        checkpoint.save(path, left, meta)
        for command in (["weights", "done"], ["search", "--resume", "done", "-q"]):
            assert said in fails(4, *command)


def test_output_that_cannot_be_written(fails: Fails) -> None:
    Path("file").write_text("here first")
    assert "A file stands in the place of a folder" in fails(7, "search", *SMALL, "--out", "file")
    assert "A file stands in the place of a folder" in fails(7, "search", *SMALL, "--out", "file/below")
    Path("runs").write_text("here first")
    assert 'Cannot write "runs"' in fails(7, "search", *SMALL)


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    """The limit of a file's size stands for a full disk: the checkpoint does not fit."""
    script = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))\n"
    script += "import sys; from bionas_cupy.cli.main import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", script, "train", "mlp", "--subset", "96", "--epochs", "1", "-q"]
    done = subprocess.run(command, env=ENVIRONMENT, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 7, done.stderr
    assert "checkpoint.h5" in one_line(done.stderr)
    assert not list(tmp_path.rglob("*.bionas-tmp"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_behind_stdout() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*PYTHON, "rules"], env=ENVIRONMENT, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 7
    assert "No space left on device" in one_line(done.stderr)


def test_a_broken_pipe_is_quiet() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*PYTHON, "rules"], env=ENVIRONMENT, stdout=writer, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_cuda_without_a_gpu(fails: Fails) -> None:
    try:
        select("cuda")
    except DeviceError:
        assert "device cuda" in fails(5, "search", *SMALL, "--device", "cuda")
    else:
        pytest.skip("this machine has a GPU")


def test_a_diverging_run(fails: Fails) -> None:
    assert "diverged" in fails(6, "search", *SMALL, "--set", "optimiser.lr=1e30")
    assert "diverged" in fails(6, "train", "mlp", "--subset", "192", "--epochs", "2", "-q", "--lr", "1e30")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (
            MemoryError("Unable to allocate 8 TiB"),
            5,
            "Not enough memory. Unable to allocate 8 TiB. Take a smaller",
        ),
        (ValueError("array is too big; `arr.size * …"), 5, "Not enough memory. array is too big"),
        (KeyboardInterrupt(), 130, "Stopped before the first step"),
        (OSError(28, "No space left on device"), 7, "No space left on device. Free some space"),
        (OSError(5, "Input/output error"), 1, "This is a defect"),
        (
            ValueError("of two\nlines"),
            1,
            "ValueError: of two lines. This is a defect; run with BIONAS_TRACEBACK=1",
        ),
    ],
)
def test_errors_of_other_libraries(
    fails: Fails, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, said: str
) -> None:
    def raising(*_: object) -> None:
        raise error

    monkeypatch.setattr(search_result, "show", raising)
    assert said in fails(code, "search", *SMALL)


def test_a_traceback_where_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BIONAS_TRACEBACK", "1")
    assert main(["rules", "show", "usff"]) == 2
    err = capsys.readouterr().err
    assert "Traceback (most recent call last)" in err
    assert err.splitlines()[-1].startswith("bionas-cupy: error: rule")


def test_exit_codes_of_full_disks() -> None:
    assert [failures.explain(OSError(number, "full"))[1] for number in failures.FULL] == [7, 7, 7]
