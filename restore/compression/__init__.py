"""The picture codec: learned bases, chosen block by block, and a learned entropy coder.

`codec` holds what is learned, `planes` turns pictures into planes and back, `search` chooses
blocks and bases, `coding` codes planes at one step of the quantiser, `smoothing` filters them
at the decoder, `container` is the file, `targets` finds the step for a wanted quality or size,
`learning` learns a codec.
"""

from restore.compression.codec import Codec
from restore.compression.container import inspect
from restore.compression.learning import learn_codec
from restore.compression.targets import compress, decompress

__all__ = ["Codec", "compress", "decompress", "inspect", "learn_codec"]
