"""What the data ask of a network."""

from typing import NamedTuple


class ImageShape(NamedTuple):
    """(C, H, W) of an image, and the number of classes."""

    channels: int
    height: int
    width: int
    classes: int

    @property
    def size(self) -> tuple[int, int]:
        return self.height, self.width

    @property
    def pixels(self) -> int:
        return self.channels * self.height * self.width
