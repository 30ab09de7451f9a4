"""The picture codec: learned bases, chosen block by block, and a learned entropy coder.

`codec` holds what is learned, `planes` turns pictures into planes and back, `search` chooses
blocks and bases, `coding` codes planes at one step of the quantiser, `smoothing` filters them
at the decoder, `container` is the file, `targets` finds the step for a wanted quality or size.
"""

from restore.tasks.compression.codec import Codec
from restore.tasks.compression.container import inspect
from restore.tasks.compression.targets import Extras, compress, decompress

__all__ = ["Codec", "Extras", "compress", "decompress", "inspect"]
