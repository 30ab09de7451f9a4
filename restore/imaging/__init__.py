"""Pictures as arrays: what has nothing to do with patches."""
