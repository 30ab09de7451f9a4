"""The picture codec: learned bases, chosen block by block, and a learned entropy coder.

`codec` holds the learned data, `planes` converts pictures to planes and back, `search` chooses
blocks and bases, `coding` codes planes at one quantisation step, `seen` and `tuning` vary the step
for visual quality, `smoothing` filters planes at the decoder, `container` is the file format, and
`targets` with `trials` finds the step for a given quality or size. `atoms` codes over a dictionary
instead, and `lossless` codes exactly.
"""

from restore.tasks.compression.codec import Codec
from restore.tasks.compression.container import inspect
from restore.tasks.compression.targets import Extras, compress, decompress

__all__ = ["Codec", "Extras", "compress", "decompress", "inspect"]
