"""`bionas-cupy doctor`: is everything here that a run needs?"""

import click

from . import options


@click.command(short_help="Look whether everything is here that a run needs.")
@click.option("--warm", is_flag=True, help="Compile the CPU kernels now, by one small search step.")
@options.as_json
def doctor(warm: bool, as_json: bool) -> None:
    """Python, libraries, device, threads, disk, memory: ok, note, or problem with its cure.

    Exit code: 0, or that of the first problem (5 device or memory, 7 disk).
    """
    from .checkup import checkup, warm_up
    from .output import print_json, print_table

    found = checkup()
    if warm:
        found.append(warm_up())
    if as_json:
        for each in found:
            print_json(each.plain())
    else:
        print_table(["", "", ""], [(f.status, f.about, f"{f.text}. {f.cure}".strip()) for f in found])
    problems = [each for each in found if each.status == "problem"]
    if problems:
        raise problems[0].error
