"""Each sample is made once; what `datasets` caches of it goes where the tests' other files go."""

from collections.abc import Callable
from pathlib import Path

import pytest

from .samples import SAMPLES


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    import datasets

    datasets.config.HF_DATASETS_CACHE = tmp_path_factory.mktemp("datasets")
    datasets.disable_progress_bars()


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def of(name: str) -> Path:
        if name not in made:
            made[name] = SAMPLES[name](tmp_path_factory.mktemp("published") / name)
        return made[name]

    return of
