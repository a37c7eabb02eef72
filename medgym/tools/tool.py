"""A tool is a typed function with a docstring: its schema, its checks and its help come from the two.

A parameter annotated `View` is a number to the policy and a view to the function; `Box` and `Points` are
coordinates, in pixels of the view by the time the function sees them. A tool returns a `ToolResult`, or a
`Prompt` for the segmenter, which the toolbox answers in batches.
"""

import importlib
import inspect
import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model

from ..core.errors import ToolError
from ..core.geometry import Size
from ..core.tooling import ToolSpec
from ..core.view import View


def _proper(box: list[float]) -> list[float]:
    if not all(math.isfinite(v) for v in box):
        raise ValueError("coordinates must be finite")
    if box[0] >= box[2] or box[1] >= box[3]:
        raise ValueError("x1 must be less than x2 and y1 less than y2")
    return box


Number = Annotated[float, Field(allow_inf_nan=False, strict=True)]
Box = Annotated[
    list[Number],
    Field(min_length=4, max_length=4, description="[x1, y1, x2, y2]"),
    AfterValidator(_proper),
    "coordinates",
]
Points = Annotated[
    list[Annotated[list[Number], Field(min_length=2, max_length=2)]],
    Field(min_length=1, max_length=64, description="[[x, y], …]"),
    "coordinates",
]
Labels = Annotated[
    list[Annotated[int, Field(ge=0, le=1, strict=True)]],
    Field(min_length=1, max_length=64, description="1 for a point inside, 0 for one outside, one for each point"),
]
Words = Annotated[str, Field(min_length=1, max_length=200)]

ViewNumber = Annotated[int, Field(ge=1, strict=True, description="the number of an image")]


@dataclass(frozen=True)
class Tool:
    """A function made callable by a policy.

    Attributes:
        function: takes validated arguments by name; returns a ToolResult or a Prompt; may raise ToolError.
        perceives: whether a successful call shows the policy something of the image.
    """

    function: Callable[..., Any]
    perceives: bool = True

    @property
    def name(self) -> str:
        """The function's name, without an underscore at its end, which a builtin's name takes in Python."""
        return self.function.__name__.removesuffix("_")

    @cached_property
    def views(self) -> frozenset[str]:
        """The parameters that name a view."""
        return frozenset(name for name, hint in self._hints.items() if _is_view(hint))

    @cached_property
    def arguments(self) -> type[BaseModel]:
        """The model that checks a call's arguments."""
        _, about = _docstring(self.function)
        fields: dict[str, Any] = {}
        for name, parameter in inspect.signature(self.function).parameters.items():
            if name not in self._hints:
                raise TypeError(f"tool {self.name!r}: parameter {name!r} has no type")
            hint: Any = ViewNumber if name in self.views else self._hints[name]
            default = ... if parameter.default is inspect.Parameter.empty else parameter.default
            fields[name] = (
                Annotated[hint, Field(description=about[name])] if name in about else hint,
                default,
            )
        return create_model(self.name, __config__=ConfigDict(extra="forbid"), **fields)

    @cached_property
    def spec(self) -> ToolSpec:
        """What a policy is told: name, first paragraph of the docstring, JSON schema."""
        summary, _ = _docstring(self.function)
        schema = _plain(self.arguments.model_json_schema())
        parameters = {key: schema[key] for key in ("type", "properties", "required") if key in schema}
        coordinates = frozenset(name for name, hint in self._hints.items() if "coordinates" in _metadata(hint))
        return ToolSpec(self.name, summary, parameters, coordinates, self.perceives)

    def check(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments with defaults filled in.

        Raises:
            ToolError: says which argument is wrong and what was expected.
        """
        try:
            return dict(self.arguments.model_validate(arguments))
        except ValidationError as error:
            raise ToolError(self._complaint(error), "argument") from None

    def identity(self, arguments: dict[str, Any], sizes: Sequence[Size]) -> str:
        """Return what makes two calls equal: checked arguments, coordinates to a whole pixel inside the view."""
        try:
            arguments = self.check(arguments)
        except ToolError:
            return f"{self.name} {_canonical(arguments)}"
        named = [arguments[name] for name in self.views if arguments[name] <= len(sizes)]
        size = sizes[named[0] - 1] if named else (1 << 30, 1 << 30)
        same = {k: _rounded(v, size) if k in self.spec.coordinates else v for k, v in arguments.items()}
        return f"{self.name} {_canonical(same)}"

    def __reduce__(self) -> tuple[Callable[[str, str], Any], tuple[str, str]]:
        """Pickle by name: the decorated function is this tool where it was defined."""
        return _defined, (self.function.__module__, self.function.__name__)

    @cached_property
    def _hints(self) -> dict[str, Any]:
        hints = get_type_hints(self.function, include_extras=True)
        hints.pop("return", None)
        return hints

    def _complaint(self, error: ValidationError) -> str:
        faults = []
        for fault in error.errors(include_url=False, include_input=False)[:3]:
            where = ".".join(str(part) for part in fault["loc"]) or "arguments"
            faults.append(f"{where}: {fault['msg'].removeprefix('Value error, ')}")
        required = self.spec.parameters.get("required", [])
        wanted = ", ".join(
            f"{name}{'' if name in required else ' (optional)'}: "
            f"{schema.get('description') or schema.get('type', 'any')}"
            for name, schema in self.spec.parameters["properties"].items()
        )
        return f"{'; '.join(faults)}. Expected {self.name}({wanted})"


def tool(function: Callable[..., Any]) -> Tool:
    """Make a typed function with a docstring a tool; use it as a decorator."""
    made = Tool(function)
    if not _docstring(function)[0]:
        raise TypeError(f"tool {made.name!r} needs a docstring: its first paragraph is what the policy reads")
    return made


def _docstring(function: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    """Return the first paragraph, and what the ``Args:`` section says of each parameter."""
    text = inspect.getdoc(function) or ""
    summary = " ".join(text.split("\n\n", 1)[0].split())
    section = re.search(r"^Args:\n((?:[ \t]+.*\n?|\n)*)", text, re.MULTILINE)
    about = {}
    for name, words in re.findall(r"^ {4}(\w+): (.+(?:\n {5,}.+)*)", section.group(1) if section else "", re.MULTILINE):
        about[name] = " ".join(words.split())
    return summary, about


def _is_view(hint: Any) -> bool:
    return hint is View


def _metadata(hint: Any) -> tuple[Any, ...]:
    """Collect the marks of an annotation, through Optional."""
    own = tuple(getattr(hint, "__metadata__", ()))
    inner = get_args(hint) if get_origin(hint) is not None or hasattr(hint, "__args__") else ()
    return own + tuple(mark for part in inner for mark in _metadata(part) if part is not hint)


def _plain(schema: Any) -> Any:
    """Drop titles, and the null of optional arguments: small models copy it."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "anyOf" in schema:
        some = [item for item in schema["anyOf"] if item.get("type") != "null"]
        if len(some) == 1:
            schema = {**some[0], **{k: v for k, v in schema.items() if k not in ("anyOf", "default")}}
    return {k: _plain(v) for k, v in schema.items() if not (k == "title" and isinstance(v, str))}


def _rounded(value: Any, size: Size, axis: int = 0) -> Any:
    if isinstance(value, list):
        return [_rounded(item, size, i % 2) for i, item in enumerate(value)]
    return min(max(round(value), 0), size[axis]) if isinstance(value, float) else value


def _defined(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
