"""Starts and stops the real server of `make vllm-cpu` for tests."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PYTHON = ROOT / ".venv-vllm" / "bin" / "python"
CHECKPOINT = ROOT / ".venv-vllm" / "tiny-checkpoint"
MODEL = "tiny"
START_SECONDS = 300
BATCHED = 65536
"""Tokens of prompts read in one step: enough for sixteen whole prompts. vLLM 0.32 on the CPU dies of a seeded request whose prompt it reads in
parts (it sets back the offset of its random generator, which that of the CPU does not allow)."""
TAP = ("--logprobs-mode", "processed_logits", "--logits-processors", "tools.entropy_tap.processor:EntropyTap")


@dataclass(frozen=True)
class Running:
    """A server that answers. `log` is its output so far."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path


def available() -> bool:
    """Whether `make vllm-cpu` was run here."""
    return PYTHON.is_file() and (CHECKPOINT / "config.json").is_file()


def environment(site: Path, *, installed: bool = False) -> dict[str, str]:
    """The variables under which the server's processes run: offline, on the CPU, with the tap's module on the path, and with Fovea's entry
    points where it is to look `installed`.

    vLLM knows its platform from the version of its own distribution; vllm-cpu goes by another name, so one is laid in `site`.
    """
    _distribution(site, "vllm", "0.32.0+cpu", "")
    if installed:
        ours = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]
        lines = (f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items()) for group, points in ours.items())
        _distribution(site, "fovea", "0", "\n".join(lines))
    paths = (str(site), str(HERE / "site"), str(ROOT))
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("FOVEA_")},
        "PYTHONPATH": os.pathsep.join(paths),
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_TARGET_DEVICE": "cpu",
    }


def _distribution(site: Path, name: str, version: str, entry_points: str) -> None:
    about = site / f"{name}-{version}.dist-info"
    about.mkdir(parents=True, exist_ok=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
    (about / "entry_points.txt").write_text(entry_points, encoding="utf-8")


@contextmanager
def serving(folder: Path, arguments: Sequence[str] = TAP, *, installed: bool = False) -> Iterator[Running]:
    """A server with the tiny model on a free port of the loopback interface, stopped with all its processes at the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        str(PYTHON), "-m", "vllm.entrypoints.cli.main", "serve", str(CHECKPOINT), "--served-model-name", MODEL, "--host", "127.0.0.1",
        "--port", str(port), "--dtype", "bfloat16", "--max-model-len", "4096", "--max-num-seqs", "16", "--enforce-eager",
        "--max-num-batched-tokens", str(BATCHED),
        "--limit-mm-per-prompt", '{"image": 2, "video": 0}', "--generation-config", "vllm", *arguments,
    ]  # fmt: skip
    log = folder / f"vllm-{port}.log"
    with log.open("wb") as out:
        variables = environment(folder / "site", installed=installed)
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=variables, start_new_session=True, cwd=folder)
        try:
            _wait(process, f"http://127.0.0.1:{port}/health", log)
            yield Running(f"http://127.0.0.1:{port}/v1", process, log)
        finally:
            _stop(process)


def refused(folder: Path, arguments: Sequence[str]) -> str:
    """The output of a server that does not start with these arguments. Raises `AssertionError` when it does."""
    try:
        with serving(folder, arguments):
            pass
    except RuntimeError as error:
        return str(error)
    raise AssertionError("the server started")


def _wait(process: subprocess.Popen[bytes], health: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"vLLM ended with {process.returncode}:\n{log.read_text(encoding='utf-8', errors='replace')}")
        try:
            if httpx.get(health, timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.5)
    raise RuntimeError(f"vLLM did not answer within {START_SECONDS} s:\n{log.read_text(encoding='utf-8', errors='replace')[-4000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    for kind in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, kind)
        except ProcessLookupError:
            return
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            continue
        if kind == signal.SIGTERM:
            time.sleep(0.5)


def make_checkpoint() -> None:
    """Writes the tiny checkpoint beside the environment."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [str(PYTHON), "-m", "tests.vllm_cpu.checkpoint", str(CHECKPOINT)], check=True, cwd=ROOT, env=environment(Path(folder))
        )


if __name__ == "__main__":
    make_checkpoint()
