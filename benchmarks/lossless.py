"""The codec without loss against PNG, WebP, JPEG XL and AVIF, on drawn pictures and photographs."""

import io
import time

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

import restore
from benchmarks.harness import Table, machine
from benchmarks.harness import peer as module
from restore import Extras
from restore.imaging.bands import Pool

WORDS = (
    "a picture is a sum of few atoms and each patch knows which ones it needs the rest is noise "
    "that nobody asked for so we code what repeats and predict what does not"
).split()
#: Photographs, their middle so many pixels wide and high.
PHOTOS, CROP = "test/photos", (512, 384)


def tables(run):
    """Bytes of every picture, and the processor time of this package."""
    compared = codecs()
    rows, seconds = [], []
    photos = {
        f"photograph {number}": middle(picture)
        for number, picture in enumerate(run.pictures(PHOTOS, "c*-clean.png")[1].values(), 1)
    }
    restore.compress(drawn()["icon"][..., :3], quality="lossless")  # compiled beforehand
    for name, picture in (drawn() | photos).items():
        megapixels = picture.shape[0] * picture.shape[1] / 1e6
        start = time.process_time()
        ours = encode(picture)
        middle_time = time.process_time()
        if not np.array_equal(decode(ours), picture):
            raise AssertionError(f"{name} did not come back")
        seconds.append([part / megapixels for part in
                        (middle_time - start, time.process_time() - middle_time)])  # fmt: skip
        sizes = [exact_size(*codec, picture) for codec in compared.values()]
        rows.append([name, len(ours), *sizes, *seconds[-1]])
    yield Table(
        name="compress-lossless",
        title="Compression without loss: bytes",
        columns=[
            ("picture", ""),
            *((codec, ",d") for codec in ("restore", *compared)),
            ("encode, processor s/Mpx", ".2f"),
            ("decode", ".2f"),
        ],
        rows=rows,
        notes="Whole files, each decoded and compared; a dash where a codec does not give the "
        "samples back, or does not take such pictures. The first seven are drawn by the benchmark; "
        f"photographs are the middle {CROP[0]} x {CROP[1]} pixels.",
        machine=machine("pillow", "imagecodecs"),
    )


def encode(picture):
    """A picture of any kind as bytes of this package."""
    colours, alpha = (picture[..., :3], picture[..., 3]) if picture.shape[2:] == (4,) else (
        picture, None
    )  # fmt: skip
    extras = Extras(alpha, depth=str(8 * picture.dtype.itemsize))
    return restore.compress(colours, quality="lossless", extras=extras, pool=Pool(1)).data


def decode(data):
    """The picture in bytes of this package."""
    found = restore.decompress(data, pool=Pool(1))
    samples = found.samples if found.alpha is None else np.dstack([found.samples, found.alpha])
    top, kind = {"8": (255, np.uint8), "16": (65535, np.uint16)}[found.depth]
    return np.rint(samples * top).astype(kind)


def codecs():
    """{name: (encode, decode)} of what there is."""

    def pillow(kind, **options):
        def encode(picture):
            stream = io.BytesIO()
            Image.fromarray(picture).save(stream, kind, **options)
            return stream.getvalue()

        return encode, lambda data: np.asarray(Image.open(io.BytesIO(data)))

    found = {
        "PNG": pillow("PNG", optimize=True),
        "WebP": pillow("WEBP", lossless=True, quality=100, method=6, exact=True),
    }
    imagecodecs = module("imagecodecs")
    if imagecodecs:
        for effort in (7, 9):
            found[f"JPEG XL, effort {effort}"] = (
                lambda picture, effort=effort: imagecodecs.jpegxl_encode(
                    picture, lossless=True, effort=effort, numthreads=1
                ),
                imagecodecs.jpegxl_decode,
            )
        found["AVIF"] = (
            lambda picture: imagecodecs.avif_encode(picture, level=100, speed=4, numthreads=1),
            imagecodecs.avif_decode,
        )
    return found


def exact_size(encode, decode, picture):
    """Bytes of a codec, or None where the picture does not come back."""
    try:
        data = encode(picture)
        again = decode(data)
    except Exception:  # each codec has its own for what it does not take
        return None
    if again.ndim > picture.ndim:
        again = again[..., 0]
    alike = again.dtype == picture.dtype and np.array_equal(again, picture)
    return len(data) if alike else None


def middle(picture):
    """The middle of a picture."""
    width, height = CROP
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return np.ascontiguousarray(picture[max(top, 0) :, max(left, 0) :][:height, :width])


# Pictures drawn by code -------------------------------------------------------------------


def drawn():
    """{kind: pixels}: (height, width), with 3 channels in colour and 4 with opacity."""
    return {
        "screenshot": screenshot(),
        "line drawing": line_drawing(),
        "icon": icon(),
        "flat graphic": flat_graphic(),
        "page of text": page(),
        "scan of text": scan(),
        "16-bit ramp": smooth(),
    }


def sentence(random, count):
    return " ".join(random.choice(WORDS, count))


def screenshot(width=1280, height=800):
    """Windows with title bars, text, icons, a gradient behind."""
    random = np.random.default_rng(1)
    down, across = np.mgrid[:height, :width]
    behind = np.stack([40 + down / 10, 70 + across / 20, 120 + down / 20], -1).astype(np.uint8)
    image = Image.fromarray(behind)
    draw = ImageDraw.Draw(image)
    font, title = ImageFont.load_default(13), ImageFont.load_default(15)
    small = Image.fromarray(icon(32))
    for left, top, wide, high in ((40, 30, 700, 560), (480, 200, 760, 520), (140, 470, 480, 290)):
        draw.rounded_rectangle((left, top, left + wide, top + high), 9, (247, 247, 249), (90,) * 3)
        draw.rounded_rectangle((left, top, left + wide, top + 30), 9, (52, 101, 164))
        draw.text((left + 12, top + 7), sentence(random, 4), "white", title)
        for button in range(3):
            x = left + wide - 22 - 24 * button
            draw.ellipse(
                (x, top + 8, x + 14, top + 22), ((204, 0, 0), (237, 212, 0), (115, 210, 22))[button]
            )
        for row in range(40, high - 24, 19):
            if row % 5 == 0:
                image.paste(small.resize((16, 16)), (left + 10, top + row), small.resize((16, 16)))
            ink = ((20, 20, 20), (32, 74, 135), (78, 154, 6))[int(random.integers(3))]
            words = sentence(random, int(random.integers(3, wide // 60)))
            draw.text((left + 34, top + row), words, ink, font)
    return np.asarray(image)


def line_drawing(side=900):
    """Thin anti-aliased curves, circles and hatching in black on white."""
    large = Image.new("L", (4 * side, 4 * side), 255)
    draw = ImageDraw.Draw(large)
    turn = np.linspace(0, 2 * np.pi, 900)
    for number in range(2, 9):
        radius = 1.6 * side * (0.6 + 0.4 * np.cos(number * turn / 2 + number))
        points = np.stack([2 * side + radius * np.cos(turn), 2 * side + radius * np.sin(turn)], 1)
        draw.line([tuple(point) for point in points], 0, 6)
    for radius in range(200, 1700, 300):
        draw.ellipse([2 * side - radius, 2 * side - radius, 2 * side + radius, 2 * side + radius],
                     outline=0, width=5)  # fmt: skip
    for start in range(0, 1200, 40):
        draw.line((start, 3600, start + 300, 3100), 0, 4)
    return np.asarray(large.resize((side, side), Image.Resampling.BOX))


def icon(side=256):
    """A shaded disc with a mark and a soft shadow, opaque where it is."""
    large = 4 * side
    shadow = Image.new("L", (large, large), 0)
    ImageDraw.Draw(shadow).ellipse(
        [0.1 * large, 0.14 * large, 0.92 * large, 0.95 * large], fill=130
    )
    shadow = shadow.filter(ImageFilter.GaussianBlur(large / 50))
    disc, mark = Image.new("L", (large, large), 0), Image.new("L", (large, large), 0)
    ImageDraw.Draw(disc).ellipse([0.08 * large, 0.08 * large, 0.9 * large, 0.9 * large], fill=255)
    ImageDraw.Draw(mark).line(
        [(0.28 * large, 0.5 * large), (0.44 * large, 0.66 * large), (0.72 * large, 0.32 * large)],
        255, large // 12, "curve",
    )  # fmt: skip
    shadow, disc, mark = (
        np.asarray(part.resize((side, side), Image.Resampling.BOX)) / 255
        for part in (shadow, disc, mark)
    )
    down = np.mgrid[:side, :side][0] / side
    shade = np.stack([40 + 60 * down, 160 - 50 * down, 90 + 20 * down], -1)
    colour = shade * (1 - mark[..., None]) + 255 * mark[..., None]
    opaque = disc + (1 - disc) * shadow
    pixels = np.concatenate([colour * disc[..., None], 255 * opaque[..., None]], 2)
    pixels[opaque == 0] = 0
    return np.rint(pixels).astype(np.uint8)


def flat_graphic(width=1000, height=700):
    """A chart: bars, a pie and words in flat colours, edges not smoothed."""
    random = np.random.default_rng(2)
    image = Image.new("RGB", (width, height), (250, 250, 245))
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(20)
    colours = [(217, 95, 2), (27, 158, 119), (117, 112, 179), (231, 41, 138), (102, 166, 30)]
    for bar in range(12):
        tall = int(random.integers(80, 500))
        draw.rectangle((60 + 45 * bar, 620 - tall, 92 + 45 * bar, 620), colours[bar % 5])
        draw.text((62 + 45 * bar, 630), str(tall), (60, 60, 60), font)
    start = 0
    for piece in range(5):
        end = start + 40 + 16 * piece
        draw.pieslice((660, 180, 940, 460), start, end if piece < 4 else 360, colours[piece])
        draw.text((690, 500 + 30 * piece), sentence(random, 3), colours[piece], font)
        start = end
    draw.text((60, 40), sentence(random, 8), (20, 20, 20), ImageFont.load_default(32))
    return np.asarray(image)


def page(width=900, height=1200):
    """A page of text, grey at the edges of letters."""
    random = np.random.default_rng(3)
    image = Image.new("L", (width, height), 255)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(19)
    for row in range(80, height - 80, 27):
        draw.text((80, row), sentence(random, 16), 0, font)
    return np.asarray(image)


def scan():
    """That page as a scanner sees it: turned a little, soft, and with noise."""
    turned = Image.fromarray(page()).rotate(0.7, Image.Resampling.BICUBIC, fillcolor=255)
    soft = np.asarray(turned.filter(ImageFilter.GaussianBlur(0.8)), np.float64)
    noise = np.random.default_rng(4).normal(0, 2.5, soft.shape)
    return np.rint(np.clip(0.86 * soft + 22 + noise, 0, 255)).astype(np.uint8)


def smooth(width=512, height=384):
    """Slow changes in 16 bits, with a little noise."""
    down, across = np.mgrid[:height, :width] / 300
    clean = 30000 + 14000 * np.sin(across + 2 * down) + 6000 * np.cos(3 * across * down)
    noise = np.random.default_rng(5).normal(0, 20, clean.shape)
    return np.rint(clean + noise).astype(np.uint16)
