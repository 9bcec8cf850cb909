"""The HTTP service: cases and turns as typed JSON, event streams, and an endpoint that speaks OpenAI's protocol."""
