"""The conversation about a case: turns heard, walked or answered, and asked about what is still missing."""
