"""Draw figures/compress-peers.jpg: crops of sample pictures at equal bytes, beside the peers'.

    python docs/compression_peers.py

needs imagecodecs for JPEG XL.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

HOUSE = Path(__file__).parent.parent
sys.path.insert(0, str(HOUSE))

import restore  # noqa: E402
from benchmarks.compression import codecs, seen  # noqa: E402

#: Bits per pixel, and (left, top) of the crops.
RATE = 0.4
PLACES = {"chelsea": (130, 60), "astronaut": (90, 60)}
CROP, MAGNIFIED, LABEL, GAP = 150, 2, 22, 4
PEERS = ("AVIF as called by default", "AVIF, speed 4", "JPEG XL, effort 7")


def nearest(peer, picture, size):
    """The largest file within `size` bytes, decoded."""
    sizes = {setting: len(peer.encode(picture, setting)) for setting in peer.settings[::4]}
    fitting = max(setting for setting, length in sizes.items() if length <= size)
    for setting in peer.settings[fitting + 3 : fitting - 1 : -1]:
        data = peer.encode(picture, setting)
        if len(data) <= size:
            break
    return peer.decode(data)


def main():
    """Draw every crop in a row, every codec in a column."""
    peers = codecs(fine=True)
    names = ("restore", *PEERS, "original")
    side = MAGNIFIED * CROP
    page = Image.new(
        "RGB", (len(names) * (side + GAP) - GAP, len(PLACES) * (LABEL + side + GAP)), "white"
    )
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(14)
    for row, (name, (left, top)) in enumerate(PLACES.items()):
        picture = np.asarray(Image.open(HOUSE / "sample_images" / f"{name}-clean.png"))
        data = restore.compress(picture, bpp=RATE).data
        shown = [np.rint(255 * restore.decompress(data).samples).astype(np.uint8)]
        shown += [nearest(peers[peer], picture, len(data)) for peer in PEERS]
        words = [f"{word}: {seen(picture, one):.1f}" for word, one in zip(names, shown)]
        for column, (word, one) in enumerate(zip([*words, names[-1]], [*shown, picture])):
            at = column * (side + GAP), row * (LABEL + side + GAP)
            draw.text((at[0] + side / 2, at[1] + LABEL / 2), word, "black", font, anchor="mm")
            crop = Image.fromarray(one[top : top + CROP, left : left + CROP])
            crop = crop.resize((side, side), Image.Resampling.NEAREST)
            page.paste(crop, (at[0], at[1] + LABEL))
    page.save(
        HOUSE / "docs" / "figures" / "compress-peers.jpg", quality=88, subsampling=0, optimize=True
    )


if __name__ == "__main__":
    main()
