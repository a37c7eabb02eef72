"""The tools of one environment, answered in batches: a step's prompts reach the segmenter as one list."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..core.action import Call
from ..core.errors import InputError, ToolError, nearest
from ..core.geometry import Size
from ..core.tooling import ToolRequest, ToolResult, ToolSpec
from ..core.view import View
from ..core.volume import WALKS, Slab
from ..spec import imported
from .measuring import measure
from .perception import ASKS, biomedparse, sam2, zoom_in
from .radiology import compare, enhance, flip, rotate, window
from .segmenter import SPOKEN, Prompt, Segmentation, Segmenter, ask, takes
from .tool import Tool
from .walking import project, slice_

TOOLS: dict[str, Tool] = {
    each.name: each
    for each in (zoom_in, sam2, biomedparse, measure, window, enhance, rotate, flip, compare, slice_, project)
}


def find_tool(name: str) -> Tool:
    """Return a tool by its name, or a user's own by ``module:name``.

    Raises:
        InputError: where there is none.
    """
    if name in TOOLS:
        return TOOLS[name]
    if ":" not in name:
        raise InputError(f"unknown tool {name!r}{nearest(name, TOOLS)}, or 'module:name' of your own")
    found = imported(name, "tool")
    if not isinstance(found, Tool):
        raise InputError(f"{name!r} is a {type(found).__name__}, not a function decorated with medgym.tool")
    return found


class Tools:
    """The tools a policy has, over one segmenter."""

    def __init__(self, names: Sequence[str], segmenter: Segmenter) -> None:
        tools = [find_tool(name) for name in names]
        self.tools = {tool.name: tool for tool in tools}
        if len(self.tools) < len(tools):
            raise InputError(f"two tools have one name: {', '.join(names)}")
        self.segmenter = segmenter
        for name in self.tools:
            if name in ASKS and not ASKS[name] & takes(segmenter):
                way = " or ".join(SPOKEN[each] for each in sorted(ASKS[name]))
                raise InputError(
                    f"tool {name!r} asks by {way}, which the segmenter does not take: leave it out of tools, or name a "
                    "segmenter beside it, such as 'sam2:model=…|classical'"
                )

    @property
    def specs(self) -> list[ToolSpec]:
        """What the policy is told of each tool, in the order they were named."""
        return [tool.spec for tool in self.tools.values()]

    @property
    def needs_truth(self) -> bool:
        """Whether the segmenter looks at the truth."""
        return self.segmenter.needs_truth

    def identity(self, call: Call, sizes: Sequence[Size]) -> str:
        """Return what makes two calls the same."""
        tool = self.tools.get(call.name)
        arguments = dict(call.arguments)
        return tool.identity(arguments, sizes) if tool else repr((call.name, sorted(arguments.items(), key=str)))

    def run(self, requests: Sequence[ToolRequest]) -> list[ToolResult | ToolError]:
        """Answer each request; all that need the segmenter reach it in one call."""
        made = [self._call(request) for request in requests]
        asked = [i for i, outcome in enumerate(made) if isinstance(outcome, Prompt)]
        prompts: list[Prompt] = [made[i] for i in asked]
        for i, prompt, segmentation in zip(asked, prompts, ask(self.segmenter, prompts), strict=True):
            made[i] = self._shown(prompt, segmentation)
        return made

    def _call(self, request: ToolRequest) -> Any:
        """Return a result, an error, or a prompt that is still to be answered."""
        name = request.call.name
        tool = TOOLS.get(name) if request.answering else self.tools.get(name)
        if tool is None:
            return ToolError(f"there is no tool {name[:64]!r}{nearest(name, self.tools)}", "name")
        try:
            arguments = tool.check(dict(request.call.arguments))
            for parameter in tool.views:
                arguments[parameter] = _view(arguments[parameter], request.views)
            made = tool.function(**_on_one_panel(tool, arguments))
            _check_place(name, made, request.views)
        except ToolError as error:
            return error
        except Exception as error:
            error.add_note(f"in tool {name!r}; raise medgym.ToolError for what the policy may read")
            raise
        if isinstance(made, Prompt):
            return replace(made, truth=request.truth)
        if isinstance(made, str):
            return ToolResult(made)
        if not isinstance(made, ToolResult):
            raise TypeError(f"tool {name!r} returned a {type(made).__name__}, not a str, a ToolResult or a Prompt")
        return made

    def _shown(self, prompt: Prompt, found: Segmentation | ToolError) -> ToolResult | ToolError:
        if isinstance(found, ToolError):
            return found
        name = found.by or self.segmenter.name
        by = f" ({name} segmenter)" if name else ""
        note = f" {found.note}" if found.note else ""
        mask = found.mask
        if not mask.area:
            return ToolResult(f"{found.note or 'Nothing was found.'}{by}")
        share = 100 * mask.area / (mask.size[0] * mask.size[1])
        carried = replace(prompt.view, index=0, mask=mask, drawn="fill")
        return ToolResult(f"The mask covers {share:.2g} % of the whole image{by}.{note}", carried)


def _check_place(name: str, made: Any, views: Sequence[View]) -> None:
    """Refuse a mask where there are no voxels, and a walk to where the policy was before.

    Raises:
        ToolError: says which.
    """
    if isinstance(made, Prompt) and isinstance(made.view.sheet.cut, Slab):
        raise ToolError("that image is a projection: no voxel lies under a pixel; mark it on a slice")
    if name in WALKS and isinstance(made, ToolResult) and made.view is not None:
        seen = next((view for view in views if view.key == made.view.key), None)
        if seen is not None:
            raise ToolError(f"image {seen.index} shows that already")


def _view(number: int, views: Sequence[View]) -> View:
    if not 1 <= number <= len(views):
        raise ToolError(f"there is no image {number}; there are images 1 to {len(views)}", "argument")
    return views[number - 1]


def _on_one_panel(tool: Tool, arguments: dict[str, Any]) -> dict[str, Any]:
    """Replace a comparison by the view on it that a call's coordinates mark, and move the coordinates to that view.

    Raises:
        ToolError: where there are no coordinates, or they are not all on one view.
    """
    name = next((name for name in tool.views if arguments[name].panels), None)
    if name is None:
        return arguments
    view: View = arguments[name]
    numbers = " and ".join(str(panel.view.index) for panel in view.panels)
    named = f"image {view.index} shows images {numbers} side by side"
    marks = {key: arguments[key] for key in tool.spec.coordinates if arguments[key] is not None}
    if len(tool.views) > 1 or not marks:
        raise ToolError(f"{named}; name one of these")
    across = [x for mark in marks.values() for x in _across(mark)]
    found = view.at((min(across), 0.0, max(across), 0.0))
    if found is None:
        raise ToolError(f"{named}; mark something on one of them, or name one of these")
    left = min(across) - found[1][0]
    return {**arguments, name: found[0], **{key: _moved(mark, left) for key, mark in marks.items()}}


def _across(mark: list[Any]) -> list[float]:
    """Return the x of a box or of points."""
    return [point[0] for point in mark] if isinstance(mark[0], list) else mark[0::2]


def _moved(mark: list[Any], left: float) -> list[Any]:
    """Move x, y, x, y, … or a list of points to the left."""
    if isinstance(mark[0], list):
        return [_moved(point, left) for point in mark]
    return [v - left * (i % 2 == 0) for i, v in enumerate(mark)]
