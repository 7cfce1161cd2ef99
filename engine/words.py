"""Numbers of things, in words."""


def several(count: int, thing: str) -> str:
    """The number and the thing, in the plural where there is not exactly one.

    >>> several(1, "epoch"), several(12, "epoch"), several(0, "recorded step")
    ('1 epoch', '12 epochs', '0 recorded steps')
    """
    return f"{count} {thing}{'s' * (count != 1)}"
