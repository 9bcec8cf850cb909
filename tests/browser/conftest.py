"""A real `fovea serve` process, and a real headless Chromium that may talk to it alone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
SCREENSHOTS = ROOT / "out" / "screenshots"
PATIENCE = 90
expect.set_options(timeout=45_000)


@dataclass
class Site:
    """A service that listens, and the settings its commands need."""

    url: str
    environment: dict[str, str]

    def command(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "agent.cli", *arguments], cwd=ROOT, env=self.environment, capture_output=True, text=True, check=True
        )
        return done.stdout


@contextmanager
def served(directory: Path, index_directory: Path, *before: tuple[str, ...]) -> Iterator[tuple[Site, list[str]]]:
    """`fovea serve` on a free port; the commands `before` are run first, and what they printed is given along."""
    environment = {
        **os.environ,
        "FOVEA_DATA_DIRECTORY": str(directory),
        "FOVEA_KNOWLEDGE__DIRECTORY": str(index_directory.parent),
        "FOVEA_SERVICE__PORT": "0",
        "HF_HUB_OFFLINE": "1",
        "PYTHONUNBUFFERED": "1",
    }
    site = Site("", environment)
    printed = [site.command(*arguments) for arguments in before]
    log = directory.parent / f"{directory.name}.log"
    with log.open("w") as file:
        process = subprocess.Popen([sys.executable, "-m", "agent.cli", "serve"], cwd=ROOT, env=environment, stdout=file, stderr=file)
        try:
            site.url = _address(process, log)
            yield site, printed
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                assert process.wait(30) == 0, log.read_text()[-2000:]
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        told = log.read_text()
        if "http://" in told:
            url = "http://" + told.rpartition("http://")[2].split()[0]
            if httpx.get(f"{url}/readyz").status_code == 200:
                return url
        assert process.poll() is None, told[-2000:]
        time.sleep(0.2)
    raise AssertionError(f"the service did not start: {log.read_text()[-2000:]}")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, index_directory: Path) -> Iterator[Site]:
    with served(tmp_path_factory.mktemp("page"), index_directory) as (running, _):
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        pytest.skip("NO CHROMIUM HERE: the page is not tested (Debian's package chromium)")
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@dataclass
class Watched:
    """A page with what its console complained of and what it asked of other machines."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)


@pytest.fixture
def opened(browser: Browser) -> Iterator[Callable[..., Watched]]:
    """Opens an address in a context of its own; at the end nothing may have been asked of another machine, nor any script have failed."""
    watched: list[Watched] = []

    def open_page(url: str, width: int = 1440, height: int = 1000) -> Watched:
        page = browser.new_context(viewport={"width": width, "height": height}, accept_downloads=True).new_page()
        page.set_default_timeout(60_000)
        seen = Watched(page)
        page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        page.on("request", lambda r: seen.outside.append(r.url) if not r.url.startswith(("http://127.0.0.1", "data:", "blob:")) else None)
        page.goto(url)
        watched.append(seen)
        return seen

    yield open_page
    for seen in watched:
        seen.page.context.close()
        assert seen.outside == []
        assert seen.complaints == []
