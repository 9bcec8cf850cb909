"""The tools for agents built on LangChain."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from langchain_core.tools import BaseTool, StructuredTool, ToolException
from pydantic import BaseModel, ConfigDict, Field

from agent.errors import FoveaError
from agent.toolbox.tools import MOST_PASSAGES, Toolbox
from agent.toolbox.values import Option
from agent.values import Value

IMAGE = "the image as a base64 data URL, or a path where the toolbox allows local files"


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ConsultArguments(_Arguments):
    narrative: str = Field("", description="what the patient said and what was found, in English")
    images: tuple[str, ...] = Field((), description=f"photographs; each {IMAGE}")
    options: tuple[Option, ...] = Field((), description="answer options, where the case is a question")


class LocalizeArguments(_Arguments):
    image: str = Field(description=IMAGE)


class SearchArguments(_Arguments):
    question: str = Field(description="a question in words")
    passages: int = Field(5, ge=1, le=MOST_PASSAGES, description="how many passages at most")


def langchain_tools(toolbox: Toolbox) -> list[BaseTool]:
    """`consult`, `localize_lesions` and `search_guidelines`, asynchronous. A result is plain JSON data; an error goes back to the model in
    words."""
    return [
        _tool(toolbox.consult, ConsultArguments),
        _tool(toolbox.localize_lesions, LocalizeArguments),
        _tool(toolbox.search_guidelines, SearchArguments),
    ]


def _tool(method: Callable[..., Awaitable[Any]], arguments: type[_Arguments]) -> BaseTool:
    async def call(**given: Any) -> Any:
        try:
            return _plain(await method(**given))
        except FoveaError as error:
            raise ToolException(str(error)) from error

    return StructuredTool.from_function(
        coroutine=call, name=method.__name__, description=method.__doc__ or "", args_schema=arguments, handle_tool_error=True
    )


def _plain(result: Any) -> Any:
    return result.model_dump(mode="json") if isinstance(result, Value) else [_plain(one) for one in result]
