"""A group of commands that offers close matches for an unknown one."""

import click

from ..engine.errors import UsageError, did_you_mean


class Commands(click.Group):
    """Lists its commands in the order in which they were added."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in self.commands and not name.startswith("-"):
            raise UsageError(f'command "{name}" is unknown.', did_you_mean(name, self.commands))
        return super().resolve_command(ctx, args)
