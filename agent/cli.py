"""The command `fovea`. Heavy imports wait until a command needs them: `fovea --help` loads neither torch nor Chroma."""

from __future__ import annotations

import codecs
import sys
from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from agent.cli_knowledge import knowledge_app
from agent.cli_model import model_app
from agent.cli_service import audit, key_app, serve
from agent.command import Command, named_path, told
from agent.errors import InputError
from agent.output import standard_output


class ReasonerChoice(StrEnum):
    atlas = "atlas"
    vllm = "vllm"


class ImplementationChoice(StrEnum):
    onnx = "onnx"
    ultralytics = "ultralytics"


app = typer.Typer(name="fovea", cls=Command, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
                  help="Agentic clinical reasoning for eye care: lesions located, doubt measured, guidelines cited.")  # fmt: skip
localizer_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The lesion localizer: train it, measure it.")
app.add_typer(knowledge_app, name="knowledge")
app.add_typer(localizer_app, name="localizer")
app.add_typer(model_app, name="model")
app.add_typer(key_app, name="key")
app.command("serve")(serve)
app.command("audit")(audit)


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
    from agent.settings import load_settings

    with told():
        if text is not None and text_file is not None:
            raise InputError("give --text or --text-file, not both")
        narrative = _read(text_file, load_settings().intake.max_narrative_characters) if text_file is not None else text or ""
        run_consultation(narrative, image or [], option or [], reasoner.value, json_output=json_output, trace=trace, overlay=overlay)


@app.command()
def localize(
    image: Annotated[list[Path], typer.Argument(help="Photographs, or directories to be searched for them.", parser=named_path)],
    json_output: Annotated[bool, typer.Option("--json", help="One JSON object a line, as each image is done.")] = False,
    min_score: Annotated[
        float | None, typer.Option(min=0, max=1, help="Show every lesion box from this score on; unset: each class from its own threshold.")
    ] = None,
    overlay: Annotated[
        Path | None, typer.Option(help="Write each measured photograph with its numbered lesions into this directory.", parser=named_path)
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="A detector to use instead of the shipped one.")] = None,
    implementation: Annotated[
        ImplementationChoice | None,
        typer.Option(help="onnx: ONNX Runtime. ultralytics: the extra 'train'; also reads a .pt of your own (one you trust: it is code)."),
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Images looked at at once; unset: one per core.")] = None,
) -> None:
    """Say where things are on photographs: optic disc, lesions, distances, and whether a photograph can be judged.

    A box's score is the chance that a photograph whose best box looks like this one has the lesion; the photograph's own chance weighs
    its best boxes together.
    """
    from agent.localizing import Options, run_localization

    with told():
        run_localization(image, Options(min_score, overlay, weights, implementation.value if implementation else None, workers, json_output))


@app.command()
def mcp(
    reasoner: Annotated[
        ReasonerChoice, typer.Option(help="atlas: embedded, no GPU. vllm: a model behind a vLLM server.")
    ] = ReasonerChoice.atlas,
) -> None:
    """Serve consult, localize_lesions and search_guidelines to other agents over the Model Context Protocol, on standard input and output."""
    with told():
        from agent import spans
        from agent.container import build
        from agent.toolbox.serving import mcp_server
        from agent.toolbox.tools import Toolbox

        spans.configure()
        mcp_server(Toolbox(build(reasoner="vllm" if reasoner is ReasonerChoice.vllm else "atlas"), local_files=True)).run("stdio")


def _read(path: Path, characters: int) -> str:
    from agent.errors import NarrativeError

    most = len(codecs.BOM_UTF8) + 4 * characters  # bytes; no character of UTF-8 has more than four
    try:
        if str(path) == "-" and sys.stdin is None:
            raise NarrativeError("standard input is closed: there is no narrative to read")
        with nullcontext(sys.stdin.buffer) if str(path) == "-" else path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise NarrativeError(f"cannot read {path}: {error.strerror or error}") from error
    if len(data) > most:
        raise NarrativeError(f"{path} has more than the {characters} characters accepted (intake.max_narrative_characters)")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NarrativeError(f"{path} is not UTF-8 text (byte {error.start}): convert it first") from error


@localizer_app.command("evaluate")
def localizer_evaluate(
    images: Annotated[Path, typer.Option(help="A directory of photographs.")],
    labels: Annotated[Path, typer.Option(help="Their boxes: YOLO label files (class, centre x, centre y, width, height in fractions).")],
    names: Annotated[
        Path | None, typer.Option(help="A file with the class names, one a line; unset: optic_disc, hard_exudates, haemorrhage.")
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="A detector to use instead of the shipped one.")] = None,
    implementation: Annotated[ImplementationChoice | None, typer.Option(help="What runs the detector; unset: the setting.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="One JSON object on standard output and nothing else.")] = False,
) -> None:
    """Measure the detector on labelled photographs: mAP50, FROC, whole photographs (AUROC, calibration), the disc."""
    from agent.evaluating import run_evaluation

    with told():
        run_evaluation(images, labels, names, weights, implementation.value if implementation else None, json_output=json_output)


@localizer_app.command("train")
def localizer_train(
    data: Annotated[Path, typer.Argument(help="The photographs with YOLO labels (folders images and labels).")],
    out: Annotated[Path, typer.Argument(help="Where weights, metrics and the ONNX file go.")],
    image_size: Annotated[int, typer.Option(help="Long side in pixels at which the detector looks; a multiple of 32.")] = 1024,
    effort: Annotated[float, typer.Option(help="Share of the shipped weights' training steps.")] = 1.0,
    drawn: Annotated[int, typer.Option(help="Pictures to draw as a second source; 0 for none.")] = 1500,
    processes: Annotated[int, typer.Option(help="Processes that draw.")] = 2,
    device: Annotated[str, typer.Option(help="One torch device: cpu, 0, 1.")] = "cpu",
) -> None:
    """Train the detector. Needs the extra: pip install 'fovea[train]'."""
    with told():
        from tools.localizer.train import train

        record = train(data, out, image_size=image_size, effort=effort, device=device, drawn=drawn, processes=processes)
        with standard_output():
            for name, row in record["measured"]["classes"].items():
                typer.echo(f"{name}: " + ", ".join(f"{key} {value}" for key, value in row.items()))


if __name__ == "__main__":
    app()
