"""The command `fovea`. Heavy imports wait until a command needs them: `fovea --help` loads neither torch nor Chroma."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from agent.errors import FoveaError, InputError

app = typer.Typer(name="fovea", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
                  help="Agentic clinical reasoning for eye care: lesions located, doubt measured, guidelines cited.")  # fmt: skip
knowledge_app = typer.Typer(no_args_is_help=True, help="The disease atlas, the guideline statements and the red-flag rules.")
localizer_app = typer.Typer(no_args_is_help=True, help="The lesion localizer: train it, measure it.")
app.add_typer(knowledge_app, name="knowledge")
app.add_typer(localizer_app, name="localizer")


class ReasonerChoice(StrEnum):
    atlas = "atlas"
    vllm = "vllm"


@contextmanager
def told() -> Iterator[None]:
    """One clear line on stderr instead of a traceback, and the exit code of the error."""
    try:
        yield
    except FoveaError as error:
        typer.echo(f"fovea: {' '.join(str(error).split())}", err=True)
        raise SystemExit(error.exit_code) from error
    except KeyboardInterrupt:
        typer.echo("fovea: interrupted", err=True)
        raise SystemExit(130) from None


@app.command()
def consult(
    image: Annotated[list[Path] | None, typer.Option(help="A photograph: JPEG, PNG, TIFF or DICOM. May be repeated.")] = None,
    text: Annotated[str | None, typer.Option(help="The narrative: what the patient said and what was found.")] = None,
    text_file: Annotated[Path | None, typer.Option(help="The narrative in a UTF-8 text file; - for standard input.")] = None,
    option: Annotated[list[str] | None, typer.Option(help='An answer option, "A=glaucoma". May be repeated.')] = None,
    reasoner: Annotated[
        ReasonerChoice, typer.Option(help="atlas: embedded, no GPU. vllm: a model behind a vLLM server.")
    ] = ReasonerChoice.atlas,
    json_output: Annotated[bool, typer.Option("--json", help="One JSON object on standard output and nothing else.")] = False,
    trace: Annotated[Path | None, typer.Option(help="Write the full trace to this JSON file.")] = None,
    overlay: Annotated[Path | None, typer.Option(help="Write each image with its numbered lesions into this directory.")] = None,
) -> None:
    """Walk one case from narrative and images to a cited diagnosis, or to an honest referral."""
    from agent.consultation import run_consultation

    with told():
        if text is not None and text_file is not None:
            raise InputError("give --text or --text-file, not both")
        narrative = _read(text_file) if text_file is not None else text or ""
        run_consultation(narrative, image or [], option or [], reasoner.value, json_output=json_output, trace=trace, overlay=overlay)


def _read(path: Path) -> str:
    from agent.errors import NarrativeError

    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise NarrativeError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NarrativeError(f"{path} is not UTF-8 text (byte {error.start}): convert it first") from error


@knowledge_app.command("build")
def knowledge_build() -> None:
    """Build the knowledge index for the knowledge files as they are (done by itself when needed)."""
    from agent.settings import load_settings
    from knowledge import index
    from knowledge.embedding import SentenceEmbedder

    with told():
        settings = load_settings()
        embedder = SentenceEmbedder(settings.knowledge.embedding_model)
        target = index.ensure(settings.knowledge.directory or settings.data_directory / "index", embedder)
        typer.echo(f"knowledge index {target.name} is ready")


@knowledge_app.command("check")
def knowledge_check() -> None:
    """Check every knowledge file: schema, duplicates, dangling references, findings nobody has."""
    from knowledge import library

    with told():
        checked = library.read()
        for unused in checked.unused_findings():
            typer.echo(f"unused finding: {unused}", err=True)
        typer.echo(f"{len(checked.conditions)} conditions, {len(checked.statements)} statements")
        typer.echo(f"{len(checked.findings)} findings, {len(checked.documents)} documents, {len(checked.rules)} red-flag rules")


@localizer_app.command("evaluate")
def localizer_evaluate(
    data: Annotated[Path, typer.Argument(help="The photographs with YOLO labels, as for training.")],
    weights: Annotated[Path | None, typer.Option(help="An ONNX detector with its card; the shipped one when unset.")] = None,
) -> None:
    """Measure the detector on the validation fold, through the run time that ships."""
    with told():
        import json

        from tools.localizer.evaluate import evaluate

        typer.echo(json.dumps(evaluate(data, weights), indent=2))


@localizer_app.command("train")
def localizer_train(
    data: Annotated[Path, typer.Argument(help="The photographs with YOLO labels (folders images and labels).")],
    out: Annotated[Path, typer.Argument(help="Where weights, metrics and the ONNX file go.")],
    epochs: Annotated[int, typer.Option(help="Passes over the training photographs.")] = 110,
    image_size: Annotated[int, typer.Option(help="Long side in pixels at which the detector looks.")] = 1024,
    device: Annotated[str, typer.Option(help="One torch device: cpu, 0, 1.")] = "cpu",
) -> None:
    """Train the detector. Needs the extra: pip install 'fovea[train]'."""
    with told():
        from tools.localizer.train import train

        for name, value in train(data, out, epochs=epochs, image_size=image_size, device=device).items():
            typer.echo(f"{name}: {value}")


if __name__ == "__main__":
    app()
