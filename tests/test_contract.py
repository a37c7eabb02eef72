"""The contract suite, on everything that the project ships."""

import inspect
from pathlib import Path

import gymnasium as gym
import pytest

import medgym
import medgym.agents
import medgym.testing as contract
from medgym.catalog import card, names
from medgym.spec import imported
from medgym.tasks import SOURCES, load_tasks
from medgym.tasks.published import PUBLISHED
from medgym.tools.segmenters import make_segmenter
from medgym.tools.toolbox import TOOLS
from tests.conftest import CASES


@pytest.mark.slow
@pytest.mark.parametrize("env_id", names("envs"))
def test_environment(env_id: str) -> None:
    contract.check_environment(env_id)


@pytest.mark.parametrize("segmenter", ["classical", "simulated"])
@pytest.mark.parametrize("dialect", ["hermes", "ophiuchus"])
def test_no_truth_is_shown(tmp_path: Path, segmenter: str, dialect: str) -> None:
    contract.check_no_truth("MedTool-v0", tmp_path, segmenter=segmenter, dialect=dialect)


@pytest.mark.parametrize("recipe", names("rewards"))
def test_recipe(recipe: str) -> None:
    contract.check_recipe(recipe)


AGENTS = {name: card("agents", name) for name in names("agents")}
BUILT_IN = ("medgym.agents.builtin:", "medgym.agents.oracle:", "medgym.agents.teacher:")


@pytest.mark.parametrize("agent", [name for name, of in AGENTS.items() if of["policy"].startswith(BUILT_IN)])
def test_agent(agent: str) -> None:
    contract.check_agent(agent)


@pytest.mark.parametrize("agent", sorted(AGENTS))
def test_an_agents_card_can_be_played(agent: str) -> None:
    """Its policy takes its settings, and an environment its dialect, coordinates and tools."""
    made = medgym.agents.load_agent(agent)
    policy = imported(AGENTS[agent]["policy"], "agent")
    assert set(AGENTS[agent].get("settings", {})) <= set(inspect.signature(policy).parameters)
    env = gym.make(
        "MedTool-v0", dialect=made.dialect, coords=made.coords, **({"tools": made.tools} if made.tools else {})
    )
    env.reset(seed=0)


@pytest.mark.parametrize("tool", sorted(TOOLS))
def test_tool(tool: str) -> None:
    contract.check_tool(tool)


@pytest.mark.parametrize("segmenter", ["classical", "simulated", "faulty:fail=0.2,empty=0.2,other=0.2,of=classical"])
def test_segmenter(segmenter: str) -> None:
    contract.check_segmenter(make_segmenter(segmenter))


# Published data is not at hand: tests/tasks/published holds made samples of it to the same contract.
@pytest.mark.parametrize("source", sorted(set(SOURCES) - set(PUBLISHED)))
@pytest.mark.parametrize("split", ["train", "test"])
def test_task_source(source: str, split: str) -> None:
    contract.check_tasks(load_tasks(source, split))


@pytest.mark.skipif(not CASES.is_dir(), reason="the real cases are not beside the repository")
def test_real_cases() -> None:
    contract.check_tasks(load_tasks(str(CASES / "records.json")))
    contract.check_recipe("ophiuchus", load_tasks(str(CASES / "records.json")), most=9)


def test_the_contract_finds_a_leak(tmp_path: Path) -> None:
    """A suite that cannot fail protects nobody: a tool that tells the truth is caught."""
    (tmp_path / "leaky.py").write_text(
        "import medgym\nfrom medgym.core.tooling import ToolResult\nfrom medgym.core.view import View\n"
        "from medgym.testing import RARE\n"
        "@medgym.tool\ndef zoom_in(image: View, bbox_2d: list[float] | None = None) -> ToolResult:\n"
        "    '''Tell.'''\n    return ToolResult(RARE)\n"
    )
    with pytest.raises(AssertionError, match="the truth can be read"):
        contract.check_no_truth("MedTool-v0", tmp_path, tools=[f"{tmp_path}/leaky.py:zoom_in"])


def test_the_contract_finds_a_recipe_that_pays_for_noise(tmp_path: Path) -> None:
    (tmp_path / "noise.py").write_text(
        "from medgym.rewards import Score\n"
        "def noise(one, group):\n    return Score(float(len(one.trajectory.turns)), 'turns')\n"
    )
    (tmp_path / "noise.toml").write_text(f"[[component]]\nname = 'noise'\nuse = '{tmp_path}/noise.py:noise'\n")
    with pytest.raises(AssertionError, match="earns"):
        contract.check_recipe(str(tmp_path / "noise.toml"), most=2)


def test_everything_public_is_there() -> None:
    for name in medgym.__all__:
        assert getattr(medgym, name) is not None
    with pytest.raises(AttributeError):
        medgym.nothing  # noqa: B018
