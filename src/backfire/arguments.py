"""Arguments of a wrong type, told in a sentence: what a function is annotated with is what its arguments are held against.

Only what cannot be meant is refused: NumPy's numbers are numbers, any iterable is a list, and text where names are asked for is
left to the function, which knows the names.
"""

from __future__ import annotations

import functools
import inspect
import numbers
import os
import types
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from backfire.errors import UserError, echo

Given = ParamSpec("Given")
Found = TypeVar("Found")
_FUNCTION: Final[Any] = Callable
_PLAIN: Final[dict[Any, tuple[tuple[type, ...], str]]] = {
    str: ((str,), "text"),
    Path: ((str, os.PathLike), "a path"),
    float: ((numbers.Real,), "a number"),
    int: ((numbers.Integral,), "a whole number"),
    bool: ((bool, np.bool_, int), "True or False"),
    types.NoneType: ((types.NoneType,), "None"),
}
"""Annotation → what is taken for it, and how it is called."""


def checked(function: Callable[Given, Found]) -> Callable[Given, Found]:
    """The function, which raises UserError for an argument of another type than its annotation says."""
    signature, hints = inspect.signature(function), _hints(function)

    @functools.wraps(function)
    def call(*args: Given.args, **kwargs: Given.kwargs) -> Found:
        try:
            given = signature.bind_partial(*args, **kwargs).arguments
        except TypeError:  # an argument that it does not have: Python says it best
            return function(*args, **kwargs)
        for name, value in given.items():
            if not _fits(value, hints[name]):
                wanted = list(dict.fromkeys(_words(hints[name])))
                listed = " or ".join([", ".join(wanted[:-1]), wanted[-1]] if len(wanted) > 1 else wanted)
                how = "; `backfire.load` reads one from a file or by name" if "a scenario" in wanted else ""
                raise UserError(f"{function.__name__}(), `{name}`: expected {listed}, not `{echo(value)}`{how}", key=name)
        return function(*args, **kwargs)

    return call


def _hints(function: Any) -> dict[str, Any]:
    """Name → annotation; Any where it is imported for type checkers only."""
    found, known = dict[str, Any](), inspect.unwrap(function).__globals__
    for name, parameter in inspect.signature(function).parameters.items():
        alone = types.SimpleNamespace(__annotations__={name: parameter.annotation})
        try:
            found |= get_type_hints(alone, known)
        except NameError:
            found[name] = Any
    return found


def _fits(given: Any, hint: Any) -> bool:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(given, one) for one in inner)
    if origin is Literal:  # which of them it is the function says
        return any(isinstance(given, type(one)) for one in inner)
    if hint in _PLAIN:
        return isinstance(given, _PLAIN[hint][0])
    kind: Any = origin or hint
    if kind is Any or not isinstance(kind, type):
        return True
    if issubclass(kind, np.ndarray):
        return _is_numbers(given)
    if kind is _FUNCTION:
        return callable(given)
    if issubclass(kind, Mapping):
        return isinstance(given, Mapping)
    if inner and issubclass(kind, Iterable):
        # what stands in it only where it is plain: the function knows better which scenario is none
        listed = given if inner[0] in _PLAIN and isinstance(given, list | tuple | set | frozenset) else ()
        return isinstance(given, Iterable) and not isinstance(given, bytes) and all(_fits(one, inner[0]) for one in listed)
    return isinstance(given, kind)


def _is_numbers(given: Any) -> bool:
    if isinstance(given, str | bytes):
        return False
    try:
        return np.asarray(given, dtype=float).ndim > 0
    except (TypeError, ValueError):
        return False


def _words(hint: Any) -> list[str]:
    """What an annotation asks for."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return [word for one in inner for word in _words(one)]
    if hint in _PLAIN:
        return [_PLAIN[hint][1]]
    kind: Any = origin or hint
    if not isinstance(kind, type):
        return ["something else"]
    if issubclass(kind, np.ndarray):
        return ["an array of numbers"]
    if kind is _FUNCTION:
        return ["a function"]
    if kind is type:
        return ["a class"]
    if issubclass(kind, Mapping):
        return ["a mapping"]
    if inner and issubclass(kind, Iterable):
        return ["a list"]
    return [f"a {kind.__name__.lower()}" if kind.__name__ in ("Scenario", "Result") else kind.__name__]
