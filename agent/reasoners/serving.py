"""The `vllm serve` line for a profile, and running it."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from typing import NoReturn

from agent.errors import InputError, SettingsError
from agent.reasoners.profile import Profile

TAP = ("--logprobs-mode", "processed_logits", "--logits-processors", "tools.entropy_tap.processor:EntropyTap")
NO_DOMAIN = "images-come-as-data-urls.invalid"
"""The only domain that images may be fetched from: it does not exist, so the server fetches none (RFC 6761)."""
MOST_FRONTENDS = 6
CACHE_GIB = 4
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def command(
    profile: Profile, *, model: str = "", host: str = "127.0.0.1", port: int = 8000, tap: bool = True, extra: Sequence[str] = ()
) -> list[str]:
    """The words of the line. `model` is a path or name in place of the profile's own. Raises `InputError` for a path that is not there, and
    where neither names a model.

    >>> from agent.reasoners.profile import load_profile
    >>> " ".join(command(load_profile("ophthareason-qwen-3b"))[:3])
    'vllm serve lxirich/OphthaReason-Qwen-3B'
    """
    served = model or profile.serving.model
    if not served:
        raise InputError(f"profile {profile.name} names no model: give --model")
    if model.startswith((".", "/", "~")) and not os.path.isdir(os.path.expanduser(model)):
        raise InputError(f"no such model directory: {model}")
    line = ["vllm", "serve", served, "--host", host, "--port", str(port)]
    line += ["--api-server-count", str(frontends(os.cpu_count() or 1)), "--max-model-len", str(profile.serving.max_model_len)]
    line += ["--limit-mm-per-prompt", json.dumps({"image": profile.max_images, "video": 0}), "--mm-processor-cache-gb", str(CACHE_GIB)]
    line += ["--allowed-media-domains", NO_DOMAIN, "--generation-config", "vllm", "--seed", str(profile.seed), "--max-logprobs", "20"]
    line += TAP if tap else ()
    line += ["--trust-remote-code"] if profile.serving.trust_remote_code else []
    return [*line, *extra]


def frontends(cores: int) -> int:
    """API server processes: preparing images and log-probabilities keeps a single one busy long before the GPU is.

    >>> frontends(2), frontends(16)
    (1, 6)
    """
    return max(1, min(MOST_FRONTENDS, cores // 2))


def warnings(profile: Profile, host: str) -> list[str]:
    """What whoever starts the server should know."""
    found = []
    if host not in LOOPBACK and not os.environ.get("VLLM_API_KEY"):
        found.append(f"{host} is open to the network and no key is asked for: set VLLM_API_KEY, or serve on 127.0.0.1")
    if profile.serving.trust_remote_code:
        found.append(f"{profile.serving.model or 'this model'} brings Python code of its own, which the server runs: trust its maker")
    return found


def run(line: Sequence[str]) -> NoReturn:
    """Becomes the server. Raises `SettingsError` where vLLM is not installed."""
    if shutil.which(line[0]) is None:
        raise SettingsError(
            "vLLM is not installed in this environment: `pip install 'fovea[vllm]'` on a machine with a GPU, or take the line there (`--print`)"
        )
    sys.stdout.flush()
    os.execvp(line[0], list(line))
