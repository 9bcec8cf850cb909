"""The graph for LangGraph's own server (`langgraph dev`), which gives no `Deps`: the first run builds them from the environment.

An input is `{"request": {"narrative": "...", "images": [{"path": "..."}], "options": [{"key": "A", "text": "..."}]}}`.
"""

from agent.graph import builder

graph = builder(context=None).compile(name="fovea")
