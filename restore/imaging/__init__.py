"""Pictures as arrays: everything that does not involve patches."""
