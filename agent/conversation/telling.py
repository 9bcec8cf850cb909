"""What a running turn tells its listener: stages as they start and end, and where the walk goes."""

from __future__ import annotations

from typing import Any

from agent.conversation.values import OnEvent, RouteTaken, StageEnded, StageStarted, Text
from agent.reasoners.listening import Listener


class Telling:
    """Turns LangGraph's stream into events. A stage counts as ended once the next one starts, for only then is it saved for certain."""

    def __init__(self, on_event: OnEvent | None) -> None:
        self._tell = on_event
        self._ended: list[StageEnded | RouteTaken] = []

    @property
    def listener(self) -> Listener | None:
        tell = self._tell
        return (lambda text: tell(Text(text=text))) if tell is not None else None

    def hear(self, namespace: tuple[str, ...], mode: str, chunk: Any) -> None:
        """One piece of a stream of "custom" and "updates" with subgraphs."""
        if self._tell is None or not isinstance(chunk, dict):
            return
        if mode == "custom" and chunk.get("event") == "started":
            self.flush()
            self._tell(StageStarted(stage=str(chunk["stage"])))
        elif mode == "updates" and namespace:
            for update in chunk.values():
                self._stage(update)
        elif mode == "updates":
            self.flush()

    def flush(self) -> None:
        """Tells what has ended."""
        ended, self._ended = self._ended, []
        for event in ended:
            if self._tell is not None:
                self._tell(event)

    def _stage(self, update: Any) -> None:
        if not isinstance(update, dict):
            return
        for record in update.get("stages", ()):
            self._ended.append(StageEnded(stage=record.stage, seconds=record.seconds))
        for route in update.get("routes", ()):
            self._ended.append(RouteTaken(stage=route.stage, next=route.next, reason=route.reason))
