"""What is said of an error, and the exit code that it ends with (docs/cli.md)."""

import errno

import click

from ..engine.errors import BionasError, DeviceError, OutputError, UsageError

INTERRUPTED, BROKEN_PIPE = 130, 141
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def explain(error: BaseException) -> tuple[str, int]:
    """(what failed and the cure, exit code)."""
    match error:
        case BionasError():
            return str(error), error.exit_code
        case click.UsageError():
            return usage(error), UsageError.exit_code
        case click.ClickException():
            return error.format_message(), UsageError.exit_code
        case KeyboardInterrupt() | click.Abort():
            return "Stopped before the first step: nothing was to be saved.", INTERRUPTED
        case MemoryError():
            cure = "Take a smaller --batch, or fewer channels (--set size.channels=…)."
            return f"Not enough memory. {error} {cure}", DeviceError.exit_code
        case OSError() if error.errno in FULL:
            return (
                f"{error.strerror}. Free some space on that disk, or write to another one.",
                OutputError.exit_code,
            )
    kind = f"{type(error).__name__}: {error}".strip(": ")
    return (
        f"{kind}. This is a defect; run with BIONAS_TRACEBACK=1 to see the traceback.",
        BionasError.exit_code,
    )


def usage(error: click.UsageError) -> str:
    """click's message, and where the options are explained."""
    where = error.ctx.command_path if error.ctx else "bionas-cupy"
    return f"{error.format_message()} See {where} --help."
