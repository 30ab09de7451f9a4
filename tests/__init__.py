"""The suite, in the folders of the package. Here: where it finds the sources and pictures."""

from pathlib import Path

HOUSE = Path(__file__).parents[1]
SAMPLES = HOUSE / "sample_images"
