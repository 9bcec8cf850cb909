"""Reading the user's own documents, so that a citation of them opens at the sentence.

A source (`sources`, `web`) is parsed in a process of its own (`worker`, `parsing`), cut into passages (`passages`) and written to the store
(`store`). `ingest` in `knowledge.ingest.ingesting` is the way in; `evidence` turns a stored passage into what a report cites.
"""
