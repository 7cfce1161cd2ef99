"""`bionas-cupy`: its commands, and what becomes of their errors.

A command's module imports nothing heavy: `--help` has to answer at once.
"""

import os
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress

import click

from .. import __version__
from .baselines import baselines
from .bench import bench
from .compare import compare
from .data import data
from .doctor import doctor
from .evaluate import evaluate
from .failures import BROKEN_PIPE, explain
from .front import front
from .groups import Commands
from .inspect import inspect
from .rules import rules
from .search import search
from .trace import trace
from .train import train
from .weights import weights


@click.group(
    cls=Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, prog_name="bionas-cupy")
@click.pass_context
def commands(context: click.Context) -> None:
    """Search, for every edge of a network, an operation and the rule by which it learns.

    `bionas-cupy search` with no option runs on embedded images and ends within a minute.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for each in (
    search,
    train,
    evaluate,
    baselines,
    compare,
    front,
    inspect,
    trace,
    weights,
    rules,
    data,
    doctor,
    bench,
):
    commands.add_command(each)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit code. Every error is one line on stderr."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):  # a stream that is not a terminal's, pipe's or file's
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # an ASCII terminal has no α
    with warnings.catch_warnings():
        if not sys.warnoptions:  # a diverging run is reported by its loss, not by NumPy's overflows
            warnings.simplefilter("ignore", RuntimeWarning)
        try:
            return run(sys.argv[1:] if arguments is None else arguments)
        except BrokenPipeError:  # `| head` has seen enough
            silence_stdout()
            return BROKEN_PIPE
        except (Exception, KeyboardInterrupt) as error:
            return fail(error)


def run(arguments: Sequence[str]) -> int:
    """The exit code of a command that ends well; whatever goes wrong is raised."""
    try:
        with commands.make_context("bionas-cupy", [*arguments]) as context:
            commands.invoke(context)
    except click.exceptions.Exit as ended:  # --help and --version
        sys.stdout.flush()
        return ended.exit_code
    sys.stdout.flush()  # here, so that a full disk behind stdout is an error like any other
    return 0


def fail(error: BaseException) -> int:
    """Say in one line what failed; the exit code."""
    if os.environ.get("BIONAS_TRACEBACK"):
        import traceback

        traceback.print_exception(error)
    message, code = explain(error)
    with suppress(OSError):
        print("bionas-cupy: error:", " ".join(message.split()), file=sys.stderr, flush=True)
    if isinstance(error, OSError):
        silence_stdout()
    return code


def silence_stdout() -> None:
    """Let Python's own last flush of a stdout that refused fail no second time."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
