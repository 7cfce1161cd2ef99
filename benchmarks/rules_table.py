"""The trainings behind docs/results.md: one network, several rules and seeds, as a table of test accuracies.

    python benchmarks/rules_table.py resnet20 --data-dir D --out runs/resnet20
    python benchmarks/rules_table.py lenet --data-dir D --out runs/lenet --rules bp,fa --seeds 0
    python benchmarks/rules_table.py retrain --genotype examples/cifar10-small.json --data-dir D --out runs/retrain

Each run is one `bionas-cupy train` in a folder of its own: a finished one is only read, one that was stopped
or killed is resumed, so the script may be started again at any time, and several times at once.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import mean, stdev

RULES = ["bp", "usf", "frsf", "brsf", "fa", "dfa"]
DECAY = "--set optimiser.weight_decay=1e-4"
SETTINGS = {
    "resnet20": f"resnet20 --data cifar10 --subset 10000 --epochs 10 --batch 128 --lr 0.1 {DECAY}",
    "lenet": f"lenet --data mnist --epochs 3 --batch 100 --lr 0.05 {DECAY}",
    "retrain": "GENOTYPE --data cifar10 --subset 5000 --epochs 15 --batch 50 --lr 0.05 --channels 12 --cells 5",
}
OWN = "own"  # the rules that the genotype names itself


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=SETTINGS)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--genotype", type=Path, help="for retrain")
    parser.add_argument("--rules", help="comma-separated")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--read", action="store_true", help="only tabulate what is finished")
    return parser.parse_args()


def train(given: argparse.Namespace, rule: str, seed: str) -> Path:
    """Start, resume, or leave alone one run; its folder."""
    folder: Path = given.out / f"{rule}-{seed}"
    if given.read or (folder / "result.json").exists():
        return folder
    command = ["bionas-cupy", "train", "-q"]
    if (folder / "checkpoint.h5").exists():
        command += ["--resume", str(folder)]
    else:
        command += SETTINGS[given.what].replace("GENOTYPE", str(given.genotype)).split()
        command += ["--rule", rule] if rule != OWN else []
        command += ["--seed", seed, "--data-dir", given.data_dir, "--out", str(folder)]
    done = subprocess.run(
        command, stdout=subprocess.DEVNULL, check=False
    )  # a run in use elsewhere: exit code 2
    if done.returncode not in (0, 2):
        sys.exit(done.returncode)
    return folder


def row(rule: str, folders: list[Path]) -> str:
    """| rule | mean ± standard error | each seed |"""
    results = [f / "result.json" for f in folders if (f / "result.json").exists()]
    found = [json.loads(path.read_text())["test_accuracy"] for path in results]
    error = f" ± {stdev(found) / len(found) ** 0.5:.2f}" if len(found) > 1 else ""
    average = f"{mean(found):.2f}{error}" if found else "-"
    return f"| {rule} | {average} | {', '.join(f'{a:.2f}' for a in found) or '-'} |"


def main() -> None:
    given = arguments()
    rules = given.rules.split(",") if given.rules else ([OWN, "bp"] if given.what == "retrain" else RULES)
    folders: dict[str, list[Path]] = {rule: [] for rule in rules}
    for seed in given.seeds.split(","):
        for rule in rules:
            folders[rule].append(train(given, rule, seed))
    print("| rule | test accuracy (%), mean ± standard error | each seed |\n| --- | --- | --- |")
    print("\n".join(row(rule, each) for rule, each in folders.items()))


if __name__ == "__main__":
    main()
