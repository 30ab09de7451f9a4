"""A simulated camera: from a clean photograph to the file that a phone would save.

The photograph is converted back to linear sensor values (Brooks et al., "Unprocessing images for
learned raw denoising", CVPR 2019): tone curve, gamma, colour matrix and white balance are inverted.
A sample x of the sensor gets noise of variance ``gain * x + read**2``. Then the mosaic is
demosaiced, the steps are applied again, and the picture is sharpened and saved as JPEG.
"""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from restore.imaging import jpeg
from restore.imaging.bands import Pool
from restore.tasks.demosaicing import demosaic, sampled

#: Camera colours to sRGB: matrices of common cameras lie between these two.
MATRICES = np.array(
    [
        [[1.25, -0.20, -0.05], [-0.10, 1.20, -0.10], [0.00, -0.25, 1.25]],
        [[1.90, -0.75, -0.15], [-0.25, 1.60, -0.35], [0.02, -0.62, 1.60]],
    ]
)

#: Methods of demosaicing.
RULES = ("bilinear", "gradient", "learned")

#: Malvar, He & Cutler, "High-quality linear interpolation for demosaicing of Bayer-patterned
#: color images", ICASSP 2004, figure 2: green at red or blue; red at green in a red row, and in
#: a blue row; red at blue.
_GREEN = np.array(
    [[0, 0, -1, 0, 0], [0, 0, 2, 0, 0], [-1, 2, 4, 2, -1], [0, 0, 2, 0, 0], [0, 0, -1, 0, 0]]
)
_ROW = np.array(
    [[0, 0, 0.5, 0, 0], [0, -1, 0, -1, 0], [-1, 4, 5, 4, -1], [0, -1, 0, -1, 0], [0, 0, 0.5, 0, 0]]
)
_CROSS = np.array(
    [
        [0, 0, -1.5, 0, 0],
        [0, 2, 0, 2, 0],
        [-1.5, 0, 6, 0, -1.5],
        [0, 2, 0, 2, 0],
        [0, 0, -1.5, 0, 0],
    ]
)


@dataclass(frozen=True)
class Camera:
    """The settings of a simulated camera.

    Attributes
    ----------
    gain, read : float
        Noise of a sensor sample x is of variance ``gain * x + read**2``, full scale being 1.
    red, blue : float
        White balance: what the sensor's red and blue are multiplied by.
    matrix : float
        Where between `MATRICES` the camera's colours lie, 0 to 1.
    rule : {"bilinear", "gradient", "learned"}
        How the hidden colours are filled in.
    contrast : float
        Share of an S-shaped tone curve, 0 to 1.
    sharpening : float
        Amount of the unsharp mask.
    smoothing : float
        Standard deviation in pixels of the Gaussian that makes the noise coarse and leaves the
        picture: noise reduction in the camera.
    chroma_blur : float
        Standard deviation in pixels of what smooths the colour differences; 0 for none.
    scale : float
        By how much the picture is reduced.
    softness : float
        Standard deviation in pixels of the Gaussian that the lens blurs the photograph by.
    grain, grain_size : float
        Standard deviation, in [0, 1], of noise that is put on the finished picture, as that of
        film and scanners, and of the Gaussian that makes it coarse, in pixels.
    grain_colour : bool
        Whether the grain of each channel is its own.
    grey : bool
        A monochrome picture.
    quality : int or None
        Of JPEG; None for none.
    sampling : {0, 2}
        Pillow's word for 4:4:4 and 4:2:0.
    """

    gain: float
    read: float
    red: float = 1.9
    blue: float = 1.6
    matrix: float = 0.5
    rule: str = "gradient"
    contrast: float = 0.0
    sharpening: float = 0.3
    smoothing: float = 0.0
    chroma_blur: float = 0.0
    scale: float = 1.0
    softness: float = 0.0
    grain: float = 0.0
    grain_size: float = 0.0
    grain_colour: bool = False
    grey: bool = False
    quality: int | None = 85
    sampling: int = 2


def drawn(random):
    """Random settings of a common camera."""

    def between(least, most):
        return float(np.exp(random.uniform(np.log(least), np.log(most))))

    # of film and scanners rather than of a sensor
    grain = random.random() < 0.3
    return Camera(
        gain=between(2e-4, 2e-2) * (0.01 if grain else 1),
        read=between(3e-4, 1.2e-2) * (0.01 if grain else 1),
        grain=between(1.5 / 255, 30 / 255) if grain else 0.0,
        grain_size=max(0.0, random.uniform(-0.6, 1.5)),
        grain_colour=random.random() < 0.5,
        red=random.uniform(1.2, 2.6),
        blue=random.uniform(1.2, 2.4),
        matrix=random.uniform(0, 1),
        rule=str(random.choice(RULES, p=[0.25, 0.5, 0.25])),
        contrast=max(0.0, random.uniform(-0.5, 1)),
        sharpening=max(0.0, random.uniform(-0.2, 0.6)),
        smoothing=max(0.0, random.uniform(-0.8, 1.6)),
        chroma_blur=max(0.0, random.uniform(-2, 2)),
        scale=max(1.0, random.uniform(0.5, 1.8)),
        grey=random.random() < 0.15,
        quality=int(random.uniform(60, 99)) if random.random() < 0.75 else None,
        sampling=int(random.choice([0, 2])),
        # pixels of most cameras are smaller than what their lenses resolve
        softness=max(0.0, random.uniform(-0.8, 1.5)),
    )


def page(random, side=512):
    """A page of printed text, (side, side, 3) float32 in [0, 1], drawn by code."""
    ink, paper = sorted(random.uniform(0, 1, 2) ** np.array([3, 0.15]))
    image = Image.new("RGB", (side, side), tuple(int(255 * paper * c) for c in (1, 0.98, 0.95)))
    draw = ImageDraw.Draw(image)
    top = int(random.integers(4, 30))
    while top < side:
        size = int(random.choice([10, 12, 14, 18, 24, 40], p=[0.25, 0.3, 0.2, 0.15, 0.07, 0.03]))
        words = (
            "".join(map(chr, random.integers(97, 123, random.integers(1, 10)))) for _ in "x" * 20
        )
        draw.text(
            (8, top), " ".join(words), tuple(3 * [int(255 * ink)]), ImageFont.load_default(size)
        )
        top += int(size * random.uniform(1.2, 2))
    return np.asarray(image, np.float32) / 255


def taken(photo, camera, random):
    """A photograph as the camera saves it, and as it would without noise and JPEG.

    Parameters
    ----------
    photo : (height, width, 3) float32 ndarray
        In [0, 1], sRGB.
    camera : Camera
    random : Generator

    Returns
    -------
    saved, reference : (height, width, 1 or 3) float32 ndarray
        In [0, 1].
    coding : Coding or None
        How JPEG coded it.
    """
    photo = softened(photo, camera)
    balance = np.array([camera.red, 1, camera.blue])
    matrix = (1 - camera.matrix) * MATRICES[0] + camera.matrix * MATRICES[1]
    linear = _from_gamma(_tone(photo, camera.contrast, inverse=True))
    sensor = np.clip(linear @ np.linalg.inv(matrix).T / balance, 0, 1)
    mosaic = sampled(sensor.astype(np.float32), "RGGB")
    deviation = np.sqrt(camera.gain * mosaic + camera.read**2)
    noisy = np.clip(mosaic + deviation * random.standard_normal(mosaic.shape), 0, 1)

    def developed(mosaic):
        colour = _demosaiced(mosaic.astype(np.float32), balance, camera.rule)
        colour = np.clip(colour @ matrix.T, 0, 1)
        colour = _tone(_to_gamma(colour), camera.contrast)
        if camera.chroma_blur:
            planes = jpeg.to_planes(colour.astype(np.float32))
            for plane in planes[1:]:
                ndimage.gaussian_filter(plane, camera.chroma_blur, output=plane)
            colour = jpeg.from_planes(planes)
        if camera.sharpening:
            soft = ndimage.gaussian_filter(colour, (1, 1, 0))
            colour = colour + camera.sharpening * (colour - soft)
        colour = np.clip(colour, 0, 1)
        if camera.scale > 1:
            image = Image.fromarray(np.uint8(np.rint(255 * colour)))
            size = [round(side / camera.scale) for side in image.size]
            colour = np.asarray(image.resize(size, Image.Resampling.BICUBIC)) / 255
        if camera.grey:
            colour = (colour @ jpeg.FROM_RGB[0])[..., None]
        return colour.astype(np.float32)

    saved, coding = developed(noisy), None
    if camera.smoothing:
        clean = developed(mosaic)
        width = (camera.smoothing, camera.smoothing, 0)
        saved = np.clip(clean + ndimage.gaussian_filter(saved - clean, width), 0, 1)
    if camera.grain:
        channels = saved.shape[2] if camera.grain_colour else 1
        grain = random.standard_normal((*saved.shape[:2], channels))
        grain = ndimage.gaussian_filter(grain, (camera.grain_size, camera.grain_size, 0))
        saved = np.clip(saved + np.float32(camera.grain / grain.std() * grain), 0, 1)
    if camera.quality is None:
        saved = np.rint(255 * saved) / np.float32(255)
    else:
        saved, coding = as_jpeg(saved, camera.quality, camera.sampling)
    return saved, developed(mosaic), coding


def softened(photo, camera):
    """The photograph (height, width, channels) through the camera's lens."""
    if not camera.softness:
        return photo
    return ndimage.gaussian_filter(photo, (camera.softness, camera.softness, 0))


def as_jpeg(picture, quality, sampling):
    """A picture after it has been a JPEG file, and its `Coding`.

    `sampling` is Pillow's: 0 keeps all samples of the colours, 2 every second one.
    """
    stored, file = np.uint8(np.rint(255 * np.clip(picture, 0, 1))), io.BytesIO()
    colour = picture.shape[2] == 3
    how = {"quality": int(quality)} | ({"subsampling": int(sampling)} if colour else {})
    Image.fromarray(stored if colour else stored[..., 0]).save(file, "JPEG", **how)
    image = Image.open(file)
    tables = tuple(tuple(image.quantization[layer[3]]) for layer in image.layer)
    side = 2 if colour and sampling == 2 else 1
    decoded = np.asarray(image, np.float32).reshape(picture.shape) / 255
    return decoded, jpeg.Coding(tables, (side, side))


def _to_gamma(linear):
    """The sRGB curve."""
    power = 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, 12.92 * linear, power)


def _from_gamma(encoded):
    power = ((np.maximum(encoded, 0.04045) + 0.055) / 1.055) ** 2.4
    return np.where(encoded <= 0.04045, encoded / 12.92, power)


def _tone(image, share, inverse=False):
    """The curve (1 - s) x + s (3 x^2 - 2 x^3), or its inverse."""
    levels = np.linspace(0, 1, 1025)
    curve = (1 - share) * levels + share * (3 * levels**2 - 2 * levels**3)
    pair = (curve, levels) if inverse else (levels, curve)
    return np.interp(image, *pair)


def _demosaiced(mosaic, balance, rule):
    """The balanced colours of an RGGB mosaic."""
    if rule == "learned":
        balanced = mosaic.copy()
        for channel, (row, column) in ((0, (0, 0)), (2, (1, 1))):
            balanced[row::2, column::2] *= np.float32(balance[channel])
        top = np.float32(balance.max())
        return top * demosaic(balanced / top, "RGGB", quality="fast", pool=Pool(1))
    at = np.zeros((3, *mosaic.shape), bool)
    at[0, ::2, ::2] = at[2, 1::2, 1::2] = True
    at[1] = ~(at[0] | at[2])
    found = np.where(at, mosaic, 0)
    if rule == "bilinear":
        line = np.array([0.5, 1, 0.5])
        cross = np.array([[0, 0.25, 0], [0.25, 1, 0.25], [0, 0.25, 0]])
        for channel, kernel in enumerate((np.outer(line, line), cross, np.outer(line, line))):
            found[channel] = ndimage.convolve(found[channel], kernel, mode="mirror")
    else:
        green, row, cross = (
            ndimage.convolve(mosaic, kernel / 8, mode="mirror") for kernel in (_GREEN, _ROW, _CROSS)
        )
        column = ndimage.convolve(mosaic, _ROW.T / 8, mode="mirror")
        found[1][at[0] | at[2]] = green[at[0] | at[2]]
        for own, other in ((0, 2), (2, 0)):
            found[own][at[other]] = cross[at[other]]
            own_rows = at[own].any(axis=1)[:, None]
            found[own][at[1] & own_rows] = row[at[1] & own_rows]
            found[own][at[1] & ~own_rows] = column[at[1] & ~own_rows]
    return np.moveaxis(found, 0, 2) * balance
