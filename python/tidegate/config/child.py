"""The fresh child in which a configuration that is a Python file runs: it has no rights, and answers in JSON.

What the file prints goes to the child's stdout and stderr; the answer has a descriptor of its own. The parent believes
nothing of it: it validates the answer as it does a YAML file (`python_file.py`).
"""

import ast
import ctypes
import encodings.idna
import encodings.utf_8_sig
import json
import os
import pwd
import resource
import stringprep
import sys
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from traceback import walk_tb
from types import CodeType, ModuleType
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

import tidegate
from tidegate.config.config import Config
from tidegate.config.effective import written_fields
from tidegate.config.model import Model
from tidegate.config.secret import Secret
from tidegate.config.words import tell

MODULE = "tidegate_configuration"
"""What the file is called while it runs; it is not `__main__`."""
LOADED = (encodings.idna, encodings.utf_8_sig, stringprep)
"""What models may need, loaded while we may still read the folder that the interpreter lies in."""
MOST_MODULES = 1_000
MOST_LETTERS = 500
PR_SET_NO_NEW_PRIVS = 38

Told = dict[str, Any]
"""A problem: `file`, `line`, `column`, `width`, `says`, `hint`."""


def main(descriptor: int, path: str, user: str | None) -> None:
    """Run the file at `path` as `user`, write the answer to `descriptor`, and end."""
    os.set_inheritable(descriptor, False)  # what the file starts must not hold the answer open
    sys.dont_write_bytecode = True
    content = Path(path).read_bytes()  # as a YAML file is, it may be root's alone
    for name in tidegate.__all__:
        getattr(tidegate, name)
    os.chdir(Path(path).parent)  # relative paths begin at the file's folder, as in every configuration
    give_up_rights(user)
    answer = json.dumps(answer_of(content, path, user)).encode()
    sys.stdout.flush()
    sys.stderr.flush()
    with os.fdopen(descriptor, "wb") as pipe:
        pipe.write(answer)
    os._exit(0)  # no thread of the file's, and nothing that it has registered, holds the answer up


def give_up_rights(user: str | None) -> None:
    """Become `user`, if one is given, and never gain a right again."""
    if user is not None:
        whose = pwd.getpwnam(user)
        os.setgroups([])
        os.setresgid(whose.pw_gid, whose.pw_gid, whose.pw_gid)
        os.setresuid(whose.pw_uid, whose.pw_uid, whose.pw_uid)
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "no_new_privs cannot be set")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def answer_of(content: bytes, path: str, user: str | None) -> dict[str, Any]:
    """Run the file: its configuration as plain data, or its problems; and the modules of its folder that it read."""
    try:
        tree = ast.parse(content, path)
        module = _run(compile(content, path, "exec"), path)
        answer = _configuration(vars(module), tree, path)
    except BaseException as error:  # `SystemExit` too: the file does not decide when we end
        answer = {"problems": _problems(error, path, user)}
    return {**answer, "modules": list(islice(_modules(path), MOST_MODULES))}


def _run(code: CodeType, path: str) -> ModuleType:
    module = ModuleType(MODULE)
    module.__file__ = path
    sys.modules[MODULE] = module
    sys.path.insert(0, str(Path(path).parent))
    sys.argv = [path]
    exec(code, vars(module))
    return module


def _configuration(names: Mapping[str, Any], tree: ast.Module, path: str) -> dict[str, Any]:
    line, column = _assignment(tree)
    place = {"file": path, "line": line, "column": column, "width": len("config")}
    if "config" not in names:
        says, hint = "this file defines no `config`", "end it with `config = tidegate.Config(...)`"
        return {"problems": [{"file": path, "line": 1, "column": 1, "width": 1, "says": says, "hint": hint}]}
    config = names["config"]
    if not isinstance(config, Config):
        says = f"`config` must be a `tidegate.Config`, not `{type(config).__name__}`"
        return {"problems": [{**place, "says": says, "hint": "write `config = tidegate.Config(...)`"}]}
    return {"config": plain_of(config), "line": line, "column": column}


def _assignment(tree: ast.Module) -> tuple[int, int]:
    """Find where the file says `config = …` last; its first line where it does not say so in as many words."""
    found = (1, 1)
    for node in tree.body:
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign):
            targets = [node.target]
        if any(isinstance(each, ast.Name) and each.id == "config" for each in targets):
            found = (node.lineno, node.col_offset + 1)
    return found


def plain_of(value: Any) -> Any:
    """Write a model as the data that a file would hold: only what was given, each value as a person writes it."""
    match value:
        case Secret(kind=kind, name=name):
            return {"!secret": f"{kind}:{name}"}
        case Model():
            return {key: plain_of(each) for key, each in written_fields(value) if each is not None}
        case Mapping():
            return {str(key): plain_of(each) for key, each in value.items()}
        case tuple() | list():
            return [plain_of(each) for each in value]
        case bool() | int() | float():
            return value
        case _:
            return str(value).replace("${", "$${")  # a variable is a matter of YAML; Python has `os.environ`


# What went wrong


def _problems(error: BaseException, path: str, user: str | None) -> list[Told]:
    place = _place(error, path)
    if isinstance(error, ValidationError) and (model := _models().get(error.title)) is not None:
        return [{**place, "says": says, "hint": hint} for says, hint in _refusals(error, model)]
    if isinstance(error, SyntaxError) and error.lineno is not None:
        return [{**place, "says": f"{type(error).__name__}: {error.msg}", "hint": ""}]
    says = f"{type(error).__name__}: {error}".rstrip(": ").splitlines()[0][:MOST_LETTERS]
    if isinstance(error, ImportError | PermissionError) and user is not None:
        return [{**place, "says": says, "hint": f"this file runs as `{user}`, who must be able to read what it reads"}]
    return [{**place, "says": says, "hint": _raised_in(error, place)}]


def _place(error: BaseException, path: str) -> Told:
    """Find the last frame that is the file's own, or that of a module beside it."""
    if isinstance(error, SyntaxError) and error.lineno is not None and error.filename:
        width = (error.end_offset or 0) - (error.offset or 1) if error.end_lineno == error.lineno else 1
        at = {"line": error.lineno, "column": max(1, error.offset or 1), "width": max(1, width)}
        return {"file": error.filename, **at}
    place: Told = {"file": path, "line": 1, "column": 1, "width": 1}
    folder = Path(path).parent
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename == path or _is_beside(code.co_filename, folder):
            _, end_line, column, end = next(islice(code.co_positions(), trace.tb_lasti // 2, None))
            line = trace.tb_lineno
            text = _line(code.co_filename, line)
            begin = len(text.encode()[: column or 0].decode(errors="ignore")) + 1
            behind = len(text.encode()[: end or 0].decode(errors="ignore")) + 1 if end_line == line else len(text) + 1
            place = {"file": code.co_filename, "line": line, "column": begin}
            place["width"] = max(1, behind - begin)
        trace = trace.tb_next
    return place


def _line(file: str, number: int) -> str:
    try:
        return Path(file).read_text(errors="replace").splitlines()[number - 1]
    except (OSError, IndexError):
        return ""


def _raised_in(error: BaseException, place: Told) -> str:
    last = None
    for frame, line in walk_tb(error.__traceback__):
        last = frame.f_code.co_filename, line
    if last is None or last[0] == place["file"] or last[0] == __file__:
        return ""
    return f"raised in {last[0]}:{last[1]}"


def _refusals(error: ValidationError, model: type[Model]) -> Iterator[tuple[str, str]]:
    for each in error.errors(include_url=False):
        parts = each.get("ctx", {}).get("parts")
        if parts is not None:
            yield from ((f"{path_text(path)}: {says}" if path else says, hint) for path, says, hint in parts)
            continue
        yield _refusal(each, model)


def _refusal(error: ErrorDetails, model: type[Model]) -> tuple[str, str]:
    path = (*error["loc"], *error.get("ctx", {}).get("at", ()))
    words = tell(error, model, f"`{path_text(path) or model.__name__}`")
    above = path_text(path[:-1]) if words.at_key else ""
    return (f"{above}: {words.says}" if above else words.says), words.hint


def path_text(path: tuple[str | int, ...]) -> str:
    """Write a path of keys as Python would: `routes[0].match.host`. Steps that only the models know are left out."""
    shown = ""
    for step in path:
        if isinstance(step, int):
            shown += f"[{step}]"
        elif not set(step) & set("[]()' "):
            shown += f".{step}" if shown else step
    return shown


def _models() -> dict[str, type[Model]]:
    found: dict[str, type[Model]] = {}
    waiting = [Model]
    while waiting:
        model = waiting.pop()
        found[model.__name__] = model
        waiting += model.__subclasses__()
    return found


def _modules(path: str) -> Iterator[str]:
    folder = Path(path).parent
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file != path and _is_beside(file, folder):
            yield file


def _is_beside(file: str, folder: Path) -> bool:
    """Say whether a file belongs to the configuration, and not to Python or an environment that lies there too."""
    where = Path(file)
    inside = where.is_relative_to(folder) and not where.is_relative_to(sys.prefix)
    return inside and not where.is_relative_to(Path(__file__).parents[1])
