"""What is said of an error, and the exit code that it ends with (docs/cli.md)."""

import errno
import sys

import click

from ..engine.errors import BionasError, DeviceError, OutputError, UsageError

INTERRUPTED, BROKEN_PIPE = 130, 141
TOO_LARGE = ("Maximum allowed dimension exceeded", "array is too big")  # NumPy, of an array for any memory
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
        case MemoryError() | ValueError() if isinstance(error, MemoryError) or str(error).startswith(
            TOO_LARGE
        ):
            cure = "Take a smaller --batch, or fewer channels (--set size.channels=…)."
            return f"Not enough memory. {str(error).rstrip('.')}. {cure}", DeviceError.exit_code
        case OSError() if error.errno == errno.ENAMETOOLONG:
            return f'"{str(error.filename)[:40]}…" is too long for a name.', UsageError.exit_code
        case OSError() if error.errno in FULL:
            return (
                f"{error.strerror}. Free some space on that disk, or write to another one.",
                OutputError.exit_code,
            )
    kind = f"{type(error).__name__}: {error}".strip(": ")
    rule_file = in_a_rule_file(error)
    if rule_file:
        return f"{rule_file}: {kind}. `bionas-cupy rules check FILE` tells more.", UsageError.exit_code
    return (
        f"{kind}. This is a defect; run with BIONAS_TRACEBACK=1 to see the traceback.",
        BionasError.exit_code,
    )


def in_a_rule_file(error: BaseException) -> str:
    """'rule file "my_rule.py", line 12, on layer "conv1"' for an error out of a user's rule, else ''."""
    if "bionas_cupy.engine.rule_files" not in sys.modules:  # no rule has been made
        return ""
    from ..engine.rule_files import blamed_line

    line, frame, layer = blamed_line(error), error.__traceback__, ""
    while frame is not None:
        owner = frame.tb_frame.f_locals.get("self")
        layer = getattr(owner, "name", layer) if hasattr(owner, "rules") else layer
        frame = frame.tb_next
    return f'{line}, on layer "{layer}"' if line and layer else line


def usage(error: click.UsageError) -> str:
    """click's message, and where the options are explained."""
    where, message = error.ctx.command_path if error.ctx else "bionas-cupy", error.format_message()
    return f"{message}{'' if message.endswith(('.', '?')) else '.'} See {where} --help."
