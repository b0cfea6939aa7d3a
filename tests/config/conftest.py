from collections.abc import Callable

import pytest

from dlcli.config.load import Located, load_located
from dlcli.errors import ConfigError, Mistake

GOOD = """\
name: good
data:
  source: {type: bundled, name: mnist-sample}
  batch_size: 10
network:
  - {type: dense, name: hidden1, units: 30, activation: sigmoid}
  - {type: dense, units: 20}
  - {type: dense, name: output, units: 10}
loss: softmax_cross_entropy
sgd:
  learning_rate: 0.1
"""

Refused = Callable[..., tuple[Mistake, ...]]


@pytest.fixture
def loaded(tmp_path, monkeypatch) -> Callable[..., Located]:
    """Load a text as the file `c.yaml` of the working directory."""
    monkeypatch.chdir(tmp_path)

    def load_text(text: str | bytes = GOOD, *overrides: str, seed: int | None = None) -> Located:
        content = text.encode() if isinstance(text, str) else text
        (tmp_path / "c.yaml").write_bytes(content)
        return load_located("c.yaml", overrides, seed=seed)

    return load_text


@pytest.fixture
def refused(loaded) -> Refused:
    """The mistakes with which a text is refused."""

    def mistakes(text: str | bytes = GOOD, *overrides: str) -> tuple[Mistake, ...]:
        with pytest.raises(ConfigError) as caught:
            loaded(text, *overrides)
        return caught.value.mistakes

    return mistakes
