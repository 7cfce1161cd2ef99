"""Rules of installed packages: the entry points of the group "bionas_cupy.rules".

In the package's pyproject.toml, the key being the rule's name:

    [project.entry-points."bionas_cupy.rules"]
    mine = "my_package.rules:MyRule"

A package is imported when its rule is used, so that a broken one disturbs nobody else.
"""

from functools import cache
from importlib.metadata import EntryPoint, entry_points

from .errors import UsageError
from .rule import Rule

GROUP = "bionas_cupy.rules"


@cache
def packaged() -> dict[str, EntryPoint]:
    """The entry points by rule name. Raises UsageError where two packages give one name."""
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        other = found.setdefault(point.name, point)
        if other.value != point.value:
            raise UsageError(
                f'two packages bring a rule "{point.name}": {origin(other)} and {origin(point)}.',
                "Uninstall one of them.",
            )
    return dict(sorted(found.items()))


def load_packaged(point: EntryPoint) -> type[Rule]:
    """The entry point's class. Raises UsageError naming the package."""
    try:
        kind = point.load()
    except Exception as error:  # whatever importing a package may raise
        raise UsageError(
            f'rule "{point.name}" of {origin(point)} cannot be imported: {type(error).__name__}: {error}.',
            "Mend or uninstall that package.",
        ) from error
    if not (isinstance(kind, type) and issubclass(kind, Rule) and kind.name == point.name):
        raise UsageError(
            f'rule "{point.name}" of {origin(point)} is no Rule class with name = "{point.name}".',
            "Correct the entry point: its key is the rule's name, its value package.module:Class.",
        )
    return kind


def origin(point: EntryPoint) -> str:
    """'package 1.2 (module:Class)'."""
    made_by = point.dist
    return f"{made_by.name} {made_by.version} ({point.value})" if made_by else point.value
