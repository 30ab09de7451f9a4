"""Draw figures/demosaic-peers.jpg: crops of demosaiced sample pictures, beside the peers'.

Run as ``python docs/demosaic_peers.py`` where colour-demosaicing is installed.
"""

from pathlib import Path

import colour_demosaicing
import imageio.v3 as imageio
import numpy as np
from PIL import Image, ImageDraw, ImageFont

import restore
from restore.tasks.demosaicing import sampled

HOUSE = Path(__file__).parent.parent
#: Picture, left and top of its crop.
CROPS = [("coffee", 275, 55), ("astronaut", 100, 245)]
SIDE, ZOOM, LABEL = 64, 4, 28
METHODS = {
    "bilinear": lambda mosaic: colour_demosaicing.demosaicing_CFA_Bayer_bilinear(mosaic),
    "Menon 2007": lambda mosaic: colour_demosaicing.demosaicing_CFA_Bayer_Menon2007(mosaic),
    "restore": restore.demosaic,
}


def main():
    """Draw a row of crops per picture, a column per method and one for the original."""
    side = SIDE * ZOOM
    page = Image.new("RGB", ((len(METHODS) + 1) * (side + 4) - 4, LABEL + len(CROPS) * (side + 4)))
    page.paste("white", (0, 0, *page.size))
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(18)
    for row, (name, x, y) in enumerate(CROPS):
        clean = imageio.imread(HOUSE / "sample_images" / f"{name}-clean.png")
        mosaic = (sampled(clean, "RGGB") / 255).astype(np.float32)
        results = {title: method(mosaic) for title, method in METHODS.items()}
        results["original"] = clean / 255
        for column, (title, picture) in enumerate(results.items()):
            crop = np.clip(picture[y : y + SIDE, x : x + SIDE], 0, 1)
            crop = Image.fromarray(np.rint(255 * crop).astype(np.uint8))
            left = column * (side + 4)
            page.paste(
                crop.resize((side, side), Image.Resampling.NEAREST),
                (left, LABEL + row * (side + 4)),
            )
            draw.text((left + side / 2, LABEL / 2), title, fill="black", font=font, anchor="mm")
    page.save(
        HOUSE / "docs" / "figures" / "demosaic-peers.jpg", quality=90, subsampling=0, optimize=True
    )


if __name__ == "__main__":
    main()
