"""Dictionaries and models learned from photographs."""
