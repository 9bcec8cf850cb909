"""The command as a user runs it: a process of its own, its output, its exit codes."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
Fovea = Callable[..., subprocess.CompletedProcess[str]]
KEYS = {
    "case_id", "outcome", "diagnosis", "differential", "answer", "claims", "uncertainty", "path", "findings", "triage", "grounded_report",
    "reasoner", "disclaimer",
}  # fmt: skip


@pytest.fixture
def fovea(tmp_path: Path, index_directory: Path) -> Fovea:
    env = {
        **os.environ,
        "FOVEA_DATA_DIRECTORY": str(tmp_path / "data"),
        "FOVEA_KNOWLEDGE__DIRECTORY": str(index_directory.parent),
        "COLUMNS": "140",
    }

    def run(*args: str | Path, **extra: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "agent.cli", *map(str, args)]
        return subprocess.run(command, capture_output=True, encoding="utf-8", env={**env, **extra}, timeout=180, cwd=tmp_path, check=False)

    def shell(line: str) -> subprocess.CompletedProcess[str]:
        command = f"{shlex.quote(sys.executable)} -m agent.cli {line}"
        return subprocess.run(command, shell=True, capture_output=True, encoding="utf-8", env=env, timeout=180, cwd=tmp_path, check=False)

    run.shell = shell  # type: ignore[attr-defined]
    return run


def example(name: str) -> tuple[str, str, str, str]:
    return "--image", str(ROOT / f"examples/{name}.jpg"), "--text-file", str(ROOT / f"examples/{name}.txt")


def test_the_three_examples_end_as_they_are_meant_to(fovea: Fovea) -> None:
    reports = {}
    for name in ("clear", "uncertain", "red_flag"):
        done = fovea("consult", *example(name), "--json")
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("\n") == 1
        reports[name] = json.loads(done.stdout)
        assert set(reports[name]) >= KEYS
        assert {"urgency", "time_frame", "rules", "sources"} <= set(reports[name]["triage"])
        assert {"entropy", "threshold", "omega", "depth"} <= set(reports[name]["uncertainty"])
    assert reports["clear"]["outcome"] == "diagnosed"
    assert "deliberate" not in reports["clear"]["path"]
    assert {"name", "concept_id", "icd10", "probability"} <= set(reports["clear"]["diagnosis"])
    assert "deliberate" in reports["uncertain"]["path"]
    assert reports["red_flag"]["triage"]["urgency"] == "emergency"
    assert reports["red_flag"]["triage"]["rules"]
    for report in reports.values():
        verdicts = [c["verdict"] for claim in report["claims"] for c in claim["citations"]]
        assert verdicts
        assert set(verdicts) == {"supported"}


def test_a_reader_sees_the_report(fovea: Fovea) -> None:
    done = fovea("consult", *example("red_flag"))
    assert done.returncode == 0, done.stderr
    for word in ("EMERGENCY", "Red flags", "Differential", "Path", "Claims and citations", "Not a medical device"):
        assert word in done.stdout


def test_trace_and_overlay_are_written(fovea: Fovea, tmp_path: Path) -> None:
    text = "A 60-year-old with diabetes. Secret name: Zaphod Beeblebrox."
    image = ROOT / "examples/clear.jpg"
    done = fovea("consult", "--image", image, "--text", text, "--json", "--trace", tmp_path / "t/trace.json", "--overlay", tmp_path / "o")
    assert done.returncode == 0, done.stderr
    trace = (tmp_path / "t/trace.json").read_text()
    assert "Zaphod" not in trace
    assert str(image) not in trace
    loaded = json.loads(trace)
    assert [record["stage"] for record in loaded["stages"]] == json.loads(done.stdout)["path"]
    assert all(route["reason"] for route in loaded["routes"])
    (overlay,) = (tmp_path / "o").iterdir()
    with Image.open(overlay) as drawn, Image.open(image) as given:
        assert drawn.size == given.size


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda t: t / "missing.jpg", "missing.jpg"),
        (lambda t: written(t / "empty.jpg", b""), "empty"),
        (lambda t: written(t / "truncated.jpg", (ROOT / "examples/clear.jpg").read_bytes()[:5000]), "truncated"),
        (lambda t: written(t / "letter.jpg", b"Dear colleague, please see this patient."), "image"),
        (lambda t: t, "directory"),
    ],
)
def test_a_file_that_is_no_image_is_one_clear_line(fovea: Fovea, tmp_path: Path, make: Callable[[Path], Path], words: str) -> None:
    done = fovea("consult", "--image", make(tmp_path), "--text", "Red eye.", "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_decompression_bomb_is_refused(fovea: Fovea, tmp_path: Path) -> None:
    Image.new("1", (30000, 30000)).save(tmp_path / "bomb.png")
    done = fovea("consult", "--image", tmp_path / "bomb.png", "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "pixels" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_content_decides_not_the_extension(fovea: Fovea, tmp_path: Path) -> None:
    path = written(tmp_path / "photo.tiff", (ROOT / "examples/clear.jpg").read_bytes())
    assert fovea("consult", "--image", path, "--text", "Blurred vision.", "--json").returncode == 0


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((), "empty"),
        (("--text", ""), "empty"),
        (("--text", "x" * 120_000), "100000"),
        (("--text", "Red eye.", "--option", "A=uveitis"), "one answer option"),
        (("--text", "Red eye.", "--option", "uveitis", "--option", "B=b"), "A=text"),
        (("--text", "Red eye.", "--text-file", "x"), "not both"),
        (("--text-file", "nowhere.txt"), "nowhere.txt"),
    ],
)
def test_bad_arguments_are_one_clear_line(fovea: Fovea, args: tuple[str, ...], words: str) -> None:
    done = fovea("consult", *args, "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_narrative_that_is_not_utf8(fovea: Fovea, tmp_path: Path) -> None:
    done = fovea("consult", "--text-file", written(tmp_path / "latin.txt", "Schädel".encode("latin-1")))
    assert done.returncode == 2
    assert "UTF-8" in done.stderr


def test_a_bad_setting_is_named(fovea: Fovea) -> None:
    done = fovea("consult", "--text", "Red eye.", FOVEA_DIAL__SCALE="-1")
    assert done.returncode == 2
    assert "DIAL__SCALE" in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "Der Patient klagt über plötzliche schmerzlose Sehverschlechterung am rechten Auge seit gestern.",
        "Paciente de 60 años con pérdida súbita de visión en ojo derecho desde ayer.",
        "患者右眼突然视力下降三天",
        "Kindly see and advise. Many thanks for your help with this matter.",
    ],
)
def test_what_cannot_be_read_is_never_diagnosed(fovea: Fovea, text: str) -> None:
    done = fovea("consult", "--text", text, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["outcome"] == "refer_to_human"
    assert report["diagnosis"] is None
    assert report["reasons"]


def test_a_picture_without_an_eye_is_never_diagnosed(fovea: Fovea, tmp_path: Path) -> None:
    picture = Image.linear_gradient("L").resize((800, 600)).convert("RGB")
    picture.save(tmp_path / "sky.png")
    report = json.loads(fovea("consult", "--image", tmp_path / "sky.png", "--json").stdout)
    assert report["outcome"] == "ungradable"
    assert report["diagnosis"] is None
    assert "no retina" in report["reasons"][0]


def test_a_model_server_that_is_not_there_is_exit_code_3(fovea: Fovea) -> None:
    done = fovea("consult", "--text", "Red eye with pain.", "--reasoner", "vllm", "--json", FOVEA_VLLM__BASE_URL="http://127.0.0.1:9/v1")
    assert (done.returncode, done.stdout) == (3, "")
    assert "127.0.0.1:9" in done.stderr
    assert done.stderr.count("\n") == 1


def one_line(done: subprocess.CompletedProcess[str], words: str, code: int = 2) -> None:
    assert (done.returncode, done.stdout or "") == (code, ""), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert words in done.stderr


@pytest.mark.parametrize(
    ("args", "settings", "words"),
    [
        (("--text", "Red eye \udcff"), {}, "UTF-8"),
        (("--text", "Red eye", "--option", "A=\udcff", "--option", "B=b"), {}, "UTF-8"),
        (("--text-file", "/dev/zero"), {}, "100000"),
        (("--text", "Red eye"), {"FOVEA_DIAL": "notjson"}, "FOVEA_DIAL"),
        (("--text", "Red eye"), {"FOVEA_DAIL__SCALE": "1"}, "FOVEA_DAIL__SCALE"),
        (("--text", "Red eye"), {"FOVEA_DATA_DIRECTORY": "/dev/null/x"}, "FOVEA_DATA_DIRECTORY"),
        (("--text", "Red eye", "--trace", "."), {}, "directory"),
        (("--text", "Red eye", "--overlay", "/dev/null"), {}, "/dev/null"),
        (("--image", "no such.jpg"), {}, "image 1 (no such.jpg): does not exist"),
    ],
)
def test_no_input_or_setting_ends_in_a_traceback(fovea: Fovea, args: tuple[str, ...], settings: dict[str, str], words: str) -> None:
    one_line(fovea("consult", *args, "--json", **settings), words)


def test_a_model_directory_without_a_model(fovea: Fovea, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    settings = {"FOVEA_KNOWLEDGE__EMBEDDING_MODEL": str(tmp_path / "model"), "FOVEA_KNOWLEDGE__DIRECTORY": str(tmp_path / "index")}
    one_line(fovea("consult", "--text", "Red eye", "--json", **settings), "embedding_model")


def test_a_pipe_is_no_image(fovea: Fovea, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    one_line(fovea("consult", "--image", tmp_path / "pipe.jpg", "--json"), "not a regular file")


def test_a_broken_picture_is_named_once(fovea: Fovea, tmp_path: Path) -> None:
    path = written(tmp_path / "cut.jpg", (ROOT / "examples/clear.jpg").read_bytes()[:5000])
    done = fovea("consult", "--image", path)
    one_line(done, f"image 1 ({path}): the JPEG data is truncated")
    assert done.stderr.count("image 1") == 1


@pytest.mark.parametrize("args", [("--no-such-option",), ("--reasoner", "oracle")])
def test_usage_errors_are_short_and_plain(fovea: Fovea, args: tuple[str, ...]) -> None:
    done = fovea("consult", *args)
    assert (done.returncode, done.stdout) == (2, "")
    assert args[-1] in done.stderr
    assert len(done.stderr.splitlines()) <= 4
    assert done.stderr.isascii()


def test_numbers_in_json_are_short_and_finite(fovea: Fovea, tmp_path: Path) -> None:
    done = fovea("consult", *example("uncertain"), "--json", "--trace", tmp_path / "trace.json")
    floats: list[str] = []
    report = json.loads(done.stdout, parse_float=lambda text: floats.append(text) or float(text), parse_constant=pytest.fail)  # type: ignore[func-returns-value]
    assert floats
    assert all(len(text.partition(".")[2]) <= 6 or "e" in text for text in floats)
    assert all(0 <= entry["probability"] <= 1 for entry in report["differential"])
    trace = json.loads((tmp_path / "trace.json").read_text())
    assert trace["report"] == report
    assert stat.S_IMODE((tmp_path / "trace.json").stat().st_mode) == 0o600


def test_a_failing_overlay_does_not_cost_the_report(fovea: Fovea, tmp_path: Path) -> None:
    done = fovea("consult", *example("clear"), "--json", "--overlay", tmp_path / "o")
    (drawn,) = (tmp_path / "o").iterdir()
    assert stat.S_IMODE(drawn.stat().st_mode) == 0o600
    drawn.unlink()
    drawn.mkdir()  # the directory itself can be written, so the check beforehand cannot know
    again = fovea("consult", *example("clear"), "--json", "--overlay", tmp_path / "o")
    assert again.returncode == 2
    assert json.loads(again.stdout)["case_id"] == json.loads(done.stdout)["case_id"]
    assert again.stderr.count("\n") == 1
    assert [p.name for p in (tmp_path / "o").iterdir()] == [drawn.name]


@pytest.mark.parametrize("args", ["consult --text 'Red eye' --json", "consult --text 'Red eye'", "knowledge check", "--help"])
def test_output_that_goes_nowhere(fovea: Fovea, tmp_path: Path, args: str) -> None:
    full = fovea.shell(f"{args} >/dev/full")  # type: ignore[attr-defined]
    assert (full.returncode, full.stderr.splitlines()[-1]) == (1, "fovea: cannot write to standard output: No space left on device")
    closed = fovea.shell(f"{args} >&-")  # type: ignore[attr-defined]
    assert (closed.returncode, closed.stderr) == (1, "fovea: standard output is closed: there is nowhere to print to\n")
    gone = fovea.shell(f"{args} | true")  # type: ignore[attr-defined]
    assert "Traceback" not in gone.stderr
    assert "Broken" not in gone.stderr
    assert "Exception" not in gone.stderr


def test_the_report_is_utf8_whatever_the_locale(fovea: Fovea) -> None:
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    done = fovea("consult", "--text", "A 60-year-old with pain; visual acuity 6/60 – “red eye”, Schädel.", **plain)
    assert done.returncode == 0, done.stderr
    assert "╭" in done.stdout


def test_a_damaged_index_is_built_again_by_the_command(fovea: Fovea, tmp_path: Path, index_directory: Path) -> None:
    copy = Path(shutil.copytree(index_directory, tmp_path / "index" / index_directory.name))
    settings = {"FOVEA_KNOWLEDGE__DIRECTORY": str(copy.parent)}
    (copy / "passages.sqlite").write_bytes(b"")
    one_line(fovea("consult", "--text", "Red eye", "--json", **settings), "fovea knowledge build")
    done = fovea("knowledge", "build", **settings)
    assert (done.returncode, done.stdout) == (0, f"knowledge index {copy.name} is ready\n")
    assert fovea("consult", "--text", "Red eye", "--json", **settings).returncode == 0


def test_a_walk_writes_nothing_into_the_home(fovea: Fovea, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    done = fovea("consult", *example("uncertain"), "--json", HOME=str(home))
    assert "deliberate" in json.loads(done.stdout)["path"]  # so that the detector, torch and Chroma all were loaded
    assert list(home.rglob("*")) == []


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom agent.cli import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        "print([m for m in ('torch', 'sentence_transformers', 'chromadb', 'langgraph', 'onnxruntime') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_the_fast_path_loads_neither_torch_nor_chroma(fovea: Fovea, tmp_path: Path) -> None:
    done = fovea("consult", *example("clear"), "--json", PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 0
    imported = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    assert "langgraph.graph" in imported
    assert not imported & {"torch", "sentence_transformers", "chromadb"}
