"""`fovea mcp`: the tools as a Model Context Protocol server on standard input and output."""

from __future__ import annotations

from collections.abc import Awaitable
from importlib.metadata import version
from typing import Annotated, TypeVar

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from agent.domain import DISCLAIMER
from agent.errors import FoveaError
from agent.imaging import ImageFindings
from agent.toolbox.tools import MOST_PASSAGES, Toolbox
from agent.toolbox.values import Consultation, Option, Passage

T = TypeVar("T")
INSTRUCTIONS = (
    f"Clinical reasoning for eye care. {DISCLAIMER} Quote a claim as cited only when `cited` is true. "
    "When `outcome` is not `diagnosed`, say that the case goes to a human, and why; never soften `urgency`."
)
IMAGE = "a path on this machine, or the image itself as a base64 data URL (JPEG, PNG, TIFF or DICOM); addresses are not fetched"


def mcp_server(toolbox: Toolbox) -> MCPServer:
    """A server with the tools `consult`, `localize_lesions` and `search_guidelines`; what goes wrong comes back as a tool error in words."""
    server: MCPServer = MCPServer("fovea", title="Fovea", version=version("fovea"), instructions=INSTRUCTIONS, log_level="WARNING")

    @server.tool(title="Consult on an eye case")
    async def consult(
        narrative: Annotated[str, Field(description="what the patient said and what was found, in English")] = "",
        images: Annotated[tuple[str, ...], Field(description=f"photographs; each {IMAGE}")] = (),
        options: Annotated[tuple[Option, ...], Field(description="answer options, where the case is a question")] = (),
    ) -> Consultation:
        """Walk one eye case from narrative and photographs to a cited preliminary diagnosis, or to a referral to a human with reasons."""
        return await _told(toolbox.consult(narrative, images, options))

    @server.tool(title="Localize lesions on a fundus photograph")
    async def localize_lesions(image: Annotated[str, Field(description=IMAGE)]) -> ImageFindings:
        """Find optic disc, fovea, hard exudates and haemorrhages on one colour fundus photograph: boxes in fractions of the image, scores,
        distances in disc diameters, and whether the photograph can be judged."""
        return await _told(toolbox.localize_lesions(image))

    @server.tool(title="Search ophthalmic guidelines")
    async def search_guidelines(
        question: Annotated[str, Field(description="a question in words")],
        passages: Annotated[int, Field(ge=1, le=MOST_PASSAGES, description="how many passages at most")] = 5,
    ) -> tuple[Passage, ...]:
        """Guideline statements for a question, best first, each with its body, year, place and link; disagreeing bodies are named."""
        return await _told(toolbox.search_guidelines(question, passages))

    return server


async def _told(result: Awaitable[T]) -> T:
    try:
        return await result
    except FoveaError as error:
        raise ToolError(str(error)) from error
