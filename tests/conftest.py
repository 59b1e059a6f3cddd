"""What every test shares: hypothesis profiles, the folders of the project, a torchvision that can be imported, and no
cache of the person who runs them."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).resolve().parent / "conformance"))

import torchvision_operators

os.environ["ARCHONNX_CACHE"] = "off"

torchvision_operators.install()

settings.register_profile("suite", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", deadline=None, max_examples=2000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


@pytest.fixture(scope="session")
def project() -> Path:
    """The root of the checkout."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def byte_level() -> Any:
    """A tokenizer like GPT-2's, trained on a few words: most characters outside ASCII are several tokens."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=300, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    made.train_from_iterator(["the cat sat on the mat and the cat"] * 4, trainer)
    made.add_special_tokens([AddedToken("<|endoftext|>", special=True)])
    return made


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt: a shell has what it starts in the background ignore it, and tests inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


_NO_GPU = "models run on no GPU here"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked `gpu` are skipped where models run on no GPU, with the reason."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    from archonnx.runtime.devices import cuda_problems
    from archonnx.runtime.machine import probe

    problems = "; ".join(map(str, cuda_problems(probe())))
    for item in marked if problems else ():
        item.add_marker(pytest.mark.skip(reason=f"{_NO_GPU}: {problems}"))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many tests of a GPU were not run, and why: a bare number of skipped tests tells nobody."""
    reasons = [report.longrepr[2].removeprefix("Skipped: ") for report in terminalreporter.stats.get("skipped", ())]
    for reason in sorted({reason for reason in reasons if reason.startswith(_NO_GPU)}):
        terminalreporter.write_line(f"{reasons.count(reason)} tests of a GPU were not run: {reason}")


def pytest_addoption(parser: pytest.Parser) -> None:
    help = "write what the compiler says into the pages of diagnostic codes"
    parser.addoption("--rewrite-codes", action="store_true", help=help)
    help = "write the digests of built models into tests/conformance/digests.json"
    parser.addoption("--rewrite-digests", action="store_true", help=help)
