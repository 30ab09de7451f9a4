"""Patches, dictionaries, pursuit: what every task is built from."""
