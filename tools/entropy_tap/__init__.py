"""Exact entropies from a vLLM server through its ordinary log-probability field: a plugin for the server and the reading of its numbers."""
