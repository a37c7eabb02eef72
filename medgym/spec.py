"""Names with settings: ``simulated:error=0.2,miss=0.1`` is how a string says which thing, and how."""

import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .core.errors import InputError, nearest

VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def split_spec(text: str) -> tuple[str, dict[str, Any]]:
    """Split ``name:key=value,key=value``; values are numbers, true, false or words.

    A path keeps its colons, and so does a value: settings begin at the first colon that a ``key=`` follows.

    Raises:
        InputError: where a setting is not ``key=value``.
    """
    begin = re.search(r":(?=[^:=,/\\]*=)", text)
    if begin is None:
        return text, {}
    name, tail = text[: begin.start()], text[begin.end() :]
    settings = {}
    for item in tail.split(","):
        key, equals, value = item.partition("=")
        if not equals or not key.strip().isidentifier():
            raise InputError(f"{text!r}: settings are key=value pairs separated by commas, not {item!r}")
        settings[key.strip()] = _value(value.strip())
    return name, settings


def build(spec: str, known: dict[str, Callable[[], Callable[..., Any]]], what: str) -> Any:
    """Build what `spec` names: one of `known`, or ``module:attribute`` or ``file.py:attribute`` of a user's own.

    Raises:
        InputError: for an unknown name, or a setting that it does not have.
    """
    name, settings = split_spec(spec)
    if name in known:
        maker = known[name]()
    elif ":" in name:
        maker = imported(name, what)
    else:
        raise InputError(f"unknown {what} {name!r}{nearest(name, known)}, or 'module:name' of your own")
    return made(maker, settings, f"{what} {name!r}")


def made(maker: Callable[..., Any], settings: dict[str, Any], what: str, *given: Any) -> Any:
    """Call `maker` with what is `given` and with `settings` of the user's.

    Raises:
        InputError: for a setting that it does not take, or lacks.
    """
    parameters = inspect.signature(maker).parameters
    own = list(parameters.values())[len(given) :]
    lacking = [each.name for each in own if each.default is each.empty and each.kind not in VARIADIC]
    lacking = [key for key in lacking if key not in settings]
    if lacking:
        raise InputError(f"{what} needs a setting: {lacking[0]}=…")
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        known = [each.name for each in own]
        unknown = sorted(set(settings) - set(known))
        if unknown:
            raise InputError(f"{what} cannot be made with {unknown[0]!r}{nearest(unknown[0], known)}")
    return maker(*given, **settings)


def needs(package: str, extra: str, what: str) -> None:
    """Check that a package of an extra is installed.

    Raises:
        InputError: with the command that installs it.
    """
    if importlib.util.find_spec(package) is None:
        raise InputError(f"{what} needs {package}: pip install 'medgym[{extra}]'")


def imported(name: str, what: str, beside: Path | None = None) -> Any:
    """Import ``module:attribute``, or ``path/to/file.py:attribute``.

    A module may also be a file in the current folder; a file may be in the folder `beside`.

    Raises:
        InputError: where there is no such module, file or attribute, or importing it fails.
    """
    where, _, attribute = name.rpartition(":")
    path = Path(where if where.endswith(".py") else f"{where}.py")
    if beside is not None and not path.is_absolute() and (beside / path).is_file():
        path = beside / path
    try:
        module = _from_file(path) if where.endswith(".py") or path.is_file() else importlib.import_module(where)
    except Exception as error:
        raise InputError(f"{what} {name!r}: cannot import {where!r}: {type(error).__name__}: {error}") from error
    if not hasattr(module, attribute):
        public = [each for each in vars(module) if not each.startswith("_")]
        raise InputError(f"{what} {name!r}: {where!r} has no {attribute!r}{nearest(attribute, public)}")
    return getattr(module, attribute)


def _from_file(path: Path) -> Any:
    name = f"medgym_user_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _value(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
