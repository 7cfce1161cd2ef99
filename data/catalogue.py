"""The data sets that have a name: their forms on disk, where those lie, who reads them, where to get them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import cifar_binary, cifar_python, idx, imagenet16
from .dataset import Splits


@dataclass(frozen=True)
class Form:
    """One way in which a data set lies on disk: its files, and the folders that may hold them."""

    kind: str
    files: tuple[str, ...]
    folders: tuple[str, ...]
    read: Callable[[Path], Splits]

    def path(self, folder: Path, file: str) -> Path:
        """Where a file lies in a folder; IDX files go by several names."""
        return idx.part(folder, file) if self.kind == "idx" else folder / file

    def present(self, folder: Path) -> int:
        """How many of the files are there."""
        return sum(self.path(folder, file).is_file() for file in self.files)


@dataclass(frozen=True)
class Known:
    """A named data set; of several forms the first one wins. `source` says in words where it comes from."""

    forms: tuple[Form, ...]
    source: str


def torchvision(folder: str, plain: str) -> tuple[str, ...]:
    """Where IDX files lie: torchvision's FOLDER/raw, or a folder of the data set's own name."""
    return (f"{folder}/raw", folder, f"{plain}/raw", plain, "raw")


MNIST = Form("idx", idx.FILES, torchvision("MNIST", "mnist"), idx.read_mnist)
FASHION = Form("idx", idx.FILES, torchvision("FashionMNIST", "fashion-mnist"), idx.read_fashion)
CIFAR10 = (
    Form("binary", cifar_binary.FILES10, ("cifar-10-batches-bin",), cifar_binary.read_cifar10),
    Form("python", cifar_python.FILES10, ("cifar-10-batches-py",), cifar_python.read_cifar10),
)
CIFAR100 = (
    Form("binary", cifar_binary.FILES100, ("cifar-100-binary",), cifar_binary.read_cifar100),
    Form("python", cifar_python.FILES100, ("cifar-100-python",), cifar_python.read_cifar100),
)
IMAGENET16 = Form("python", imagenet16.FILES, ("ImageNet16", "imagenet16"), imagenet16.read_imagenet16)

KRIZHEVSKY = "the CIFAR page of Alex Krizhevsky at the University of Toronto (binary or Python version)"
KNOWN = {
    "mnist": Known((MNIST,), "the MNIST page of LeCun, Cortes and Burges"),
    "fashion-mnist": Known((FASHION,), "the fashion-mnist repository of Zalando Research on GitHub"),
    "cifar10": Known(CIFAR10, KRIZHEVSKY),
    "cifar100": Known(CIFAR100, KRIZHEVSKY),
    "imagenet16": Known((IMAGENET16,), "the NAS-Bench-201 project, where it is called ImageNet16"),
}
EMBEDDED = "digits"
NAMES = (EMBEDDED, *KNOWN)
