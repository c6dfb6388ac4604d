"""Reads the signature of a user's function: its parameters and their annotations.

Only the annotations that Bennu needs are resolved. So a return annotation, or an attribute's annotation, can name a
type that is imported only under ``if TYPE_CHECKING``.
"""

from __future__ import annotations

import functools
import inspect
import sys
import typing
from collections.abc import Callable, Iterable, Mapping
from types import SimpleNamespace
from typing import Any, Final, TypeVar, cast, get_args, get_origin

from ..errors import DefinitionError, source_line

__all__ = ["bind_variables", "check_parameters", "hint_of", "hints_of_class", "parameters_of"]

_FRAMEWORKS: Final = frozenset({"fastapi", "starlette", "litestar", "django", "ninja"})

_SELVES: Final = frozenset({"self", "this", "me", "_", "__", "_self", "channel", "handler"})

_MISSING: Final = inspect.Parameter.empty


def parameters_of(subject: str, function: Any) -> list[inspect.Parameter]:
    """Return the parameters of a method, without self.

    Args:
        subject: The method's name in errors.
        function: The function as it stands in the class.

    Raises:
        DefinitionError: The function is no method, has no self, or has a parameter that Bennu does not fill.
    """
    if not inspect.isfunction(function):
        raise DefinitionError(
            f"{subject} is no method",
            expected="async def or def, with self",
            got=repr(function),
            write="async def join(self)",
        )
    parameters = list(inspect.signature(function).parameters.values())
    first = parameters[0] if parameters else None
    if first is None or (
        first.name not in _SELVES
        and (first.annotation is not _MISSING or first.name in ("payload", "params", "message"))
    ):
        raise DefinitionError(
            f"{subject} has no self",
            expected="self as the first parameter",
            got=f"({', '.join(map(str, parameters))})",
            write=f"async def {function.__name__}({', '.join(['self', *(one.name for one in parameters)])})",
            where=source_line(function),
        )
    check_parameters(subject, function, parameters[1:], start=["self"])
    return parameters[1:]


def check_parameters(
    subject: str,
    function: Callable[..., Any],
    parameters: Iterable[inspect.Parameter],
    *,
    start: Iterable[str] = (),
) -> None:
    """Refuse parameters that Bennu does not fill.

    Args:
        subject: The function's name in errors.
        function: The function.
        parameters: The parameters to check.
        start: Names of the parameters before these.

    Raises:
        DefinitionError: A parameter is keyword-only, is ``*args`` or ``**kwargs``, or asks for a web framework's
            dependency.
    """
    parameters = list(parameters)
    name = getattr(function, "__name__", "connect")
    plain = [one.name for one in parameters if one.default is _MISSING]
    written = f"async def {name}({', '.join([*start, *plain])})"
    for one in parameters:
        asks = type(one.default).__module__.partition(".")[0]
        if asks in _FRAMEWORKS:
            raise DefinitionError(
                f"{subject} has a parameter with a default of {asks}",
                expected="parameters that Bennu fills: it resolves no dependencies of a web framework",
                got=f"{one.name}={type(one.default).__name__}(...)",
                write="its objects in the lifespan's state (self.state, info.state), or a call of your own",
                where=source_line(function),
            )
        if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD):
            continue
        wraps = one.kind is not one.KEYWORD_ONLY and not hasattr(function, "__wrapped__")
        raise DefinitionError(
            f"{subject} has a parameter that Bennu does not fill",
            expected="only positional parameters",
            got=f"{one} ({_KINDS[one.kind]})",
            write=written
            if not wraps
            else f"{written}; in a decorator, @functools.wraps(function)",
            where=source_line(function),
        )


_KINDS: Final = {
    inspect.Parameter.KEYWORD_ONLY: "keyword-only",
    inspect.Parameter.VAR_POSITIONAL: "all other positional arguments",
    inspect.Parameter.VAR_KEYWORD: "all other keyword arguments",
}


# Annotations.


def hint_of(function: Any, name: str) -> Any:
    """Return the resolved annotation of one parameter, or None if it has none.

    Args:
        function: A function, a method, a ``functools.partial`` or an object with ``__call__``.
        name: The name of the parameter.

    Raises:
        DefinitionError: The annotation can't be resolved.
    """
    inner = _function_behind(function)
    annotations = _annotations_of(inner)
    if name not in annotations:
        return None
    names = getattr(inspect.unwrap(inner), "__globals__", {})
    return _resolved(inner, {name: annotations[name]}, names, None)[name]


def hints_of_class(cls: type, names: Iterable[str]) -> dict[str, Any]:
    """Return the resolved annotations of these attributes of a class; an attribute without annotation is left out.

    Raises:
        DefinitionError: An annotation can't be resolved.
    """
    found: dict[str, Any] = {}
    for name in names:
        for base in cls.__mro__:
            annotation = _annotations_of(base).get(name)
            if annotation is not None:
                module = sys.modules.get(base.__module__)
                scope = {} if module is None else vars(module)
                found |= _resolved(base, {name: annotation}, scope, dict(vars(base)))
                found[name] = bind_variables(found[name], cls, base, where=None)
                break
    return found


def _function_behind(function: Any) -> Any:
    while isinstance(function, functools.partial):
        function = cast("functools.partial[Any]", function).func
    if inspect.ismethod(function):
        return function.__func__
    if isinstance(function, type):
        return cast("type[Any]", function).__init__
    if inspect.isfunction(function):
        return function
    if hasattr(function, "__wrapped__"):  # a cached function, or another library's wrapper
        return _function_behind(function.__wrapped__)
    call = getattr(cast("type[Any]", type(function)), "__call__", None)  # noqa: B004 - the function itself is wanted
    return call if inspect.isfunction(call) else function


def _annotations_of(subject: Any) -> Mapping[str, Any]:
    """Return the annotations of a function or class, without those of base classes. Text is not resolved."""
    if sys.version_info >= (3, 14):
        import annotationlib  # noqa: PLC0415 - since 3.14 annotations are evaluated on access

        return annotationlib.get_annotations(subject, format=annotationlib.Format.FORWARDREF)
    holder: Any = vars(subject) if isinstance(subject, type) else {}
    found: Any = holder.get("__annotations__") if holder else _annotations(subject)
    return found or {}


def _annotations(subject: Any) -> Any:
    return getattr(subject, "__annotations__", None)


def _resolved(
    subject: Any, annotations: dict[str, Any], scope: dict[str, Any], inner: dict[str, Any] | None
) -> dict[str, Any]:
    holder = SimpleNamespace(__annotations__=annotations)
    try:
        return typing.get_type_hints(holder, scope, inner, include_extras=True)
    except (NameError, AttributeError, TypeError, SyntaxError) as error:
        raise DefinitionError(
            f"an annotation of {subject.__qualname__} can't be resolved",
            expected="a type that the module knows at run time",
            got=str(error),
            write="import it outside of `if TYPE_CHECKING`, define it at the module's top level,"
            ' or say @on("event", payload=T)',
            where=source_line(subject) if inspect.isfunction(subject) else None,
        ) from error


# Type variables.


def bind_variables(annotation: Any, cls: type, owner: type, *, where: str | None) -> Any:
    """Return an annotation with the type variables of generic base classes replaced.

    Args:
        annotation: Of ``class Base(Channel, Generic[T])``, for example ``T`` or ``list[T]``.
        cls: The class that is used, ``class Room(Base[NewMsg])``.
        owner: The class in whose body the annotation stands, ``Base``.
        where: The ``file:line`` of the annotation.

    Raises:
        DefinitionError: The class gives no type for a variable.
    """
    if isinstance(annotation, TypeVar):
        variables: tuple[Any, ...] = (annotation,)
    elif isinstance(annotation, type):
        return annotation  # a generic class without arguments
    else:
        variables = getattr(annotation, "__parameters__", ())
    known = _variables_of(cls, owner) if variables else {}
    for variable in variables:
        value = known.get(variable, variable)
        if isinstance(value, TypeVar):
            value = _fallback(value)
        if value is None:
            raise DefinitionError(
                f"{cls.__qualname__} does not say what {variable} of a base class is",
                expected=f"a type for {variable}",
                got=repr(annotation),
                write=f"class {cls.__name__}(Base[NewMsg])",
                where=where,
            )
        known[variable] = value
    return _replaced(annotation, known)


def _variables_of(cls: type, owner: type) -> dict[Any, Any]:
    """Return the types that a class gives for the type variables of a base class.

    Two base classes can use the same variable for different types, so each base class has its own variables.
    """
    known: dict[type, dict[Any, Any]] = {}
    for base in cls.__mro__:
        own = known.get(base, {})
        for generic in vars(base).get("__orig_bases__", ()):
            origin: Any = get_origin(generic)
            if origin is None or origin is typing.Generic:
                continue
            parameters = getattr(origin, "__parameters__", ())
            values = [_replaced(given, own) for given in get_args(generic)]
            known.setdefault(origin, dict(zip(parameters, values, strict=False)))
    return known.get(owner, {})


def _replaced(annotation: Any, known: Mapping[Any, Any]) -> Any:
    """Return an annotation with the known variables replaced by their types."""
    if isinstance(annotation, TypeVar):
        return known.get(annotation, annotation)
    parameters = () if isinstance(annotation, type) else getattr(annotation, "__parameters__", ())
    if not parameters:
        return annotation
    generic: Any = annotation
    return generic[tuple(known.get(one, one) for one in parameters)]


def _fallback(variable: Any) -> Any:
    """Return the type for a variable that no class gives: its default, else its bound, else None."""
    has_default = getattr(variable, "has_default", None)
    if has_default is not None and has_default():
        return variable.__default__
    return variable.__bound__
