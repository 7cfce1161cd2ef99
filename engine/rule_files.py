"""Rules in a user's own file: "my_rule.py:MyRule", or the file alone where it holds one rule.

The file is compiled and run by itself: sys.path stays as it is, nothing is written beside the file, and files
beside it cannot be imported, so that one file is all of a rule and its digest tells when the rule has changed.
"""

import re
import sys
import traceback
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import ModuleType

from .errors import UsageError, did_you_mean
from .rule import Rule

_SPEC = re.compile(r"(?P<path>.+\.py)(?::(?P<kind>\w*))?(?P<options>[(+].*)?")
_MODULE = "bionas_cupy_rule_file_"


@dataclass(frozen=True)
class RuleFile:
    """A file as it was read, and the rules that it defines."""

    path: Path
    source: bytes
    kinds: tuple[type[Rule], ...]

    @property
    def digest(self) -> str:
        return sha256(self.source).hexdigest()


_loaded: dict[str, RuleFile] = {}  # by module name: what runs in this process
_copies: dict[Path, Path] = {}  # of files that have gone: where a run keeps them


def split_file_spec(spec: str) -> tuple[Path, str, str] | None:
    """(path, class or rule name, "(options)+constraints") of PATH.py[:NAME][(...)][+...]; None for no file."""
    match = _SPEC.fullmatch(spec.strip())
    return (Path(match["path"]), match["kind"] or "", match["options"] or "") if match else None


def absolute_spec(spec: str) -> str:
    """The specification with its file's whole path: it means the same from any working folder."""
    parts = split_file_spec(spec)
    if parts is None:
        return spec
    path, kind, options = parts
    return f"{path.expanduser().absolute()}{kind and f':{kind}'}{options}"


def rule_from_file(path: Path, name: str = "") -> type[Rule]:
    """The rule class of this name (or with this rule name), or the only one. Raises UsageError with the line."""
    file = read_rule_file(path)
    chosen = [kind for kind in file.kinds if not name or name in (kind.__name__, kind.name)]
    if len(chosen) == 1:
        return chosen[0]
    names = [kind.__name__ for kind in file.kinds]
    if name:
        raise UsageError(f'rule file "{path}" defines no rule "{name}".', did_you_mean(name, names))
    raise UsageError(
        f'rule file "{path}" defines {len(names)} rules: {", ".join(names)}.',
        f'Name one: "{path}:{names[0]}".',
    )


def read_rule_file(path: Path) -> RuleFile:
    """Run the file and find its rules; a file that has not changed is run once. Raises UsageError."""
    path = path.expanduser()
    try:
        source = (path if path.exists() else _copies.get(path.absolute(), path)).read_bytes()
    except OSError as error:
        raise UsageError(f'rule file "{path}" cannot be read: {error.strerror}.', _absent(path)) from None
    module = _MODULE + sha256(str(path.absolute()).encode() + source).hexdigest()[:16]
    if module not in _loaded:
        contents = _run(path, source, module)
        kinds = tuple(value for value in vars(contents).values() if _is_rule_of(value, module))
        _loaded[module] = RuleFile(path.absolute(), source, tuple(dict.fromkeys(kinds)))
    file = _loaded[module]
    if not file.kinds:
        raise UsageError(
            f'rule file "{path}" defines no rule.',
            "Write a class MyRule(Rule) with a `name` and `bits`; `bionas-cupy rules new` shows one.",
        )
    return file


def _absent(path: Path) -> str:
    if path.exists():
        return "Name a file that you may read."
    if path.is_absolute():
        return "Restore it or correct its path; a run keeps a copy in its folder rules/."
    return f'Looked in "{Path.cwd()}". `bionas-cupy rules new {path}` writes one to start from.'


def stand_in(copy: Path, path: Path) -> None:
    """Read `copy` where the file at `path` is asked for and is not there."""
    _copies[path.expanduser().absolute()] = copy


def file_of(kind: type[Rule]) -> RuleFile | None:
    """The file that the class was read from; None for a rule of a package."""
    return _loaded.get(kind.__module__)


def blamed_line(error: BaseException) -> str:
    """'rule file "my_rule.py", line 12' where the error passed through a rule file, else ''."""
    ours = {str(file.path) for file in _loaded.values()}
    lines = [f for f in traceback.extract_tb(error.__traceback__) if f.filename in ours]
    return f'rule file "{shown(Path(lines[-1].filename))}", line {lines[-1].lineno}' if lines else ""


def _run(path: Path, source: bytes, name: str) -> ModuleType:
    """The module that the file makes, in sys.modules (where dataclasses look for it) under a name of its own."""
    module = ModuleType(name)
    module.__file__, module.__package__ = str(path.absolute()), ""
    try:
        code = compile(source, module.__file__, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:  # ValueError: null bytes
        raise _unreadable(path, error) from None
    sys.modules[name] = module
    try:
        exec(code, vars(module))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever the file may raise, SystemExit included
        del sys.modules[name]
        raise _failed(path, module.__file__, error) from error
    return module


def _unreadable(path: Path, error: SyntaxError | ValueError) -> UsageError:
    what = error.msg if isinstance(error, SyntaxError) else str(error)
    if not isinstance(error, SyntaxError) or "unicode error" in what or "null bytes" in what:
        return UsageError(f'rule file "{path}": {what}.', "Save it as UTF-8 text.")
    line = f", line {error.lineno}" if error.lineno else ""
    text = f' in "{error.text.strip()}"' if error.text else ""
    return UsageError(f'rule file "{path}"{line}: {what}{text}.', "Correct the line.")


def _failed(path: Path, filename: str, error: BaseException) -> UsageError:
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == filename]
    what = f"{type(error).__name__}: {error}".rstrip(": .")
    cure = "It has to run from its first line to its last without an error."
    if isinstance(error, ImportError):
        cure = (
            "A rule file may import installed packages only, no files beside it: what it needs belongs in it."
        )
    return UsageError(f'rule file "{path}", line {lines[-1] if lines else 1}: {what}.', cure)


def _is_rule_of(value: object, module: str) -> bool:
    """Rule classes that the file defines itself, and means to be used: one that begins with _ is a base."""
    return (
        isinstance(value, type)
        and issubclass(value, Rule)
        and value.__module__ == module
        and not value.__name__.startswith("_")
    )


def shown(path: Path) -> str:
    """Short where the file lies below the working folder."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
