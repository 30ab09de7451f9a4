"""Denoising against BM3D and non-local means: quality, time, memory."""

import numpy as np
import skimage.data
import tifffile
from PIL import Image

import restore
from benchmarks import harness
from benchmarks.harness import (
    Table,
    compare,
    eight_bits,
    machine,
    noisy,
    peer,
    psnr,
    read_folder,
    ssim,
)
from restore.imaging import noise
from restore.imaging.bands import Pool
from training.camera import as_jpeg

SIGMAS = (15, 25, 50)
#: What BM3D is told of the noise of cameras; the best of them is its best by hindsight.
CAMERA_SIGMAS = (10, 15, 20)
QUALITIES = ("fast", "medium", "balanced")
#: Pictures that come with scikit-image, and the PSNR that what is unchanged counts.
SCIKIT_IMAGE = ("astronaut", "brick", "camera", "chelsea", "coffee", "coins", "grass", "gravel",
                "moon", "text")  # fmt: skip
UNCHANGED = 99.0
#: The noise level at which times are taken.
TIMED = 25
#: What networks reach on Set12 at these sigmas, as their authors and Zhang, Zuo & Zhang 2018 say,
#: and what they are made of: layers of 3 x 3 over 64 channels, of the picture or of its quarters.
NETWORKS = {
    "DnCNN (published; time of its layers)": ((32.86, 30.44, 27.18), 17, 1),
    "FFDNet (published; time of its layers)": ((32.75, 30.43, 27.32), 15, 2),
}


def tables(run):
    """Gaussian noise in grey and colour, sigma estimated, camera noise, growth with the pixels."""
    grey = run.pictures("test/set12", "camera-clean.png", grey=True)
    yield gaussian(run, "grey", *grey)
    yield estimated(run, *grey)
    yield gaussian(run, "colour", *run.pictures("test/mcmaster18", "chelsea-clean.png"))
    if run.data and (run.data / "real").is_dir():
        yield camera_noise(run)
    yield clean_pictures(run)
    yield growth(run)


def kind_methods(threads):
    """{name: function of (picture, sigma in [0, 1])}, without the peers that are not here."""
    settings = {f"restore, {quality}": {"quality": quality} for quality in QUALITIES}
    settings["restore, dictionary learned on the picture"] = {"dictionary": "learn"}
    methods = {
        name: lambda given, chosen=chosen: restore.denoise(*given, pool=Pool(threads), **chosen)
        for name, chosen in settings.items()
    }
    if peer("bm3d"):
        methods["BM3D"] = lambda given: bm3d(*given, threads)
    methods["non-local means"] = lambda given: non_local_means(*given)
    return methods


def bm3d(picture, sigma, threads):
    """Dabov et al. 2007, as published by its authors."""
    package = peer("bm3d")
    profile = package.BM3DProfile()
    profile.num_threads = threads
    denoise = package.bm3d if picture.ndim == 2 else package.bm3d_rgb
    return denoise(picture.astype(np.float64), sigma, profile)


def non_local_means(picture, sigma):
    """scikit-image's, with the settings of its documentation."""
    from skimage.restoration import denoise_nl_means

    settings = {"patch_size": 5, "patch_distance": 6, "fast_mode": True}
    axis = 2 if picture.ndim == 3 else None
    return denoise_nl_means(picture, h=0.6 * sigma, sigma=sigma, channel_axis=axis, **settings)


def pace_of_network(run, layers, block, pictures):
    """Processor seconds a megapixel of a network of that shape, whatever its weights."""
    onnx, runtime = peer("onnx"), peer("onnxruntime")
    make, random = onnx.helper, np.random.default_rng(0)
    nodes, weights, channels = [], [], [block**2, *[64] * (layers - 1), block**2]
    nodes.append(make.make_node("SpaceToDepth", ["x"], ["0"], blocksize=block))
    last = "0"
    for i in range(layers):
        kernel = random.normal(0, 0.05, (channels[i + 1], channels[i], 3, 3)).astype(np.float32)
        weights.append(onnx.numpy_helper.from_array(kernel, f"w{i}"))
        nodes.append(make.make_node("Conv", [last, f"w{i}"], [f"c{i}"], pads=[1, 1, 1, 1]))
        last = f"c{i}"
        if i < layers - 1:
            nodes.append(make.make_node("Relu", [last], [f"{i + 1}"]))
            last = f"{i + 1}"
    nodes.append(make.make_node("DepthToSpace", [last], ["y"], blocksize=block))
    ends = [make.make_tensor_value_info(end, 1, [1, 1, None, None]) for end in "xy"]
    graph = make.make_graph(nodes, "network", ends[:1], ends[1:], weights)
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 13)], ir_version=8)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = run.threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = runtime.InferenceSession(model.SerializeToString(), options)

    def restored(picture):
        return session.run(None, {"x": np.float32(picture)[None, None]})

    cases = [(title, clean, clean) for title, clean in pictures.items()]
    return compare(cases, {"": restored}, lambda clean, result: 0, run.repetitions).pace()[""]


def gaussian(run, kind, name, pictures):
    """PSNR at each sigma, SSIM and time at one of them, means over the pictures."""
    methods = kind_methods(run.threads)
    at = {}
    for sigma in SIGMAS:
        cases = [
            (title, (noisy(clean, sigma, index), sigma / 255), clean)
            for index, (title, clean) in enumerate(pictures.items())
        ]
        rounds = run.repetitions if sigma == TIMED else 1
        at[sigma] = compare(cases, methods, lambda c, r: (psnr(c, r), ssim(c, r)), rounds)
    pace = at[TIMED].pace()
    rows = [
        [
            method,
            *(float(np.mean(at[sigma].quality[method], axis=0)[0]) for sigma in SIGMAS),
            float(np.mean(at[TIMED].quality[method], axis=0)[1]),
            pace[method],
        ]
        for method in methods
    ]
    if name == "set12" and peer("onnxruntime") and peer("onnx"):
        for network, (published, layers, block) in NETWORKS.items():
            rows.append([network, *published, None, pace_of_network(run, layers, block, pictures)])
    return Table(
        name=f"denoise-{kind}-{name}",
        title=f"Denoising, {kind}, {name} ({len(pictures)} pictures), Gaussian noise",
        columns=[
            ("method", ""),
            *((f"PSNR, sigma {sigma} (dB)", ".2f") for sigma in SIGMAS),
            (f"SSIM, sigma {TIMED}", ".4f"),
            ("processor s/Mpx", ".2f"),
        ],
        rows=rows,
        notes=f"Sigma known; {run.rounds()} at sigma {TIMED}.",
        details={str(sigma): found.details() for sigma, found in at.items()},
        machine=machine("bm3d", "scikit-image", "onnxruntime", threads=run.threads),
        curves={
            "x": harness.PACE,
            "y": f"PSNR at sigma {TIMED} (dB)",
            "log": "x",
            "lines": {row[0]: [[row[-1]], [row[1 + SIGMAS.index(TIMED)]]] for row in rows},
        },
    )


def estimated(run, name, pictures):
    """What it costs not to know sigma: PSNR with the true one and with the estimate."""
    rows, details = [], {"pictures": list(pictures)}
    for sigma in SIGMAS:
        quality = {"known": [], "estimated": []}
        for index, clean in enumerate(pictures.values()):
            picture = noisy(clean, sigma, index)
            for given, reached in zip((sigma / 255, None), quality.values(), strict=True):
                result = restore.denoise(picture, given, pool=Pool(run.threads))
                reached.append(psnr(clean, result))
        known, guessed = map(np.array, quality.values())
        rows.append([sigma, *map(float, (known.mean(), guessed.mean(), (known - guessed).max()))])
        details[str(sigma)] = quality
    return Table(
        name=f"denoise-estimated-{name}",
        title=f"Denoising, grey, {name} ({len(pictures)} pictures), sigma known and estimated",
        columns=[
            ("sigma", "d"),
            ("PSNR, sigma known (dB)", ".2f"),
            ("PSNR, sigma estimated (dB)", ".2f"),
            ("most that a picture loses (dB)", ".2f"),
        ],
        rows=rows,
        details=details,
        machine=machine(threads=run.threads),
    )


def camera_noise(run):
    """Photographs under the noise of their camera, its level unknown; 8 bits in and out."""
    references = read_folder(run.data / "real", "*_mean.png")
    pictures = read_folder(run.data / "real", "*_real.png")
    given = CAMERA_SIGMAS if peer("bm3d") else ()
    names = ["noisy", "restore, blind", *(f"BM3D, sigma {sigma} for all" for sigma in given)]
    quality = {name: [] for name in names}
    for clean, picture in zip(references.values(), pictures.values(), strict=True):
        quality["noisy"].append(psnr(clean, picture))
        result = restore.denoise(picture, pool=Pool(run.threads))
        quality["restore, blind"].append(psnr(clean, eight_bits(result)))
        for sigma, name in zip(given, names[2:], strict=True):
            result = bm3d(picture / 255, sigma / 255, run.threads)
            quality[name].append(psnr(clean, eight_bits(result)))
    return Table(
        name="denoise-camera",
        title=f"Denoising, noise of cameras ({len(pictures)} crops of Nam et al. 2016), blind",
        columns=[("method", ""), ("PSNR (dB)", ".2f")],
        rows=[[method, float(np.mean(values))] for method, values in quality.items()],
        details={"pictures": list(pictures), "psnr": quality},
        machine=machine("bm3d", threads=run.threads),
    )


def clean_pictures(run):
    """Pictures without noise, the level unknown: what the bare command does to them."""
    rows, details = [], {}
    for name, pictures in clean_sets(run).items():
        levels, kept = {}, {}
        for title, picture in pictures.items():
            picture, coding = picture if isinstance(picture, tuple) else (picture, None)
            sigmas = noise.estimate_noise(picture, coding, pool=Pool(run.threads)).sigma
            levels[title] = float(255 * np.sqrt(np.mean(np.square(sigmas))))
            result = restore.denoise(picture, coding=coding, pool=Pool(run.threads))
            result = eight_bits(result)
            kept[title] = min(psnr(picture, result), UNCHANGED)
        rows.append(
            [
                f"{name} ({len(pictures)})",
                float(np.median([*levels.values()])),
                max(levels.values()),
                float(np.mean([*kept.values()])),
                min(kept.values()),
            ]
        )
        details[name] = {"levels": levels, "psnr": kept}
    return Table(
        name="denoise-clean",
        title="Denoising, clean pictures, blind: what is told of noise, and what is left of them",
        columns=[
            ("pictures", ""),
            ("level, median", ".1f"),
            ("level, most", ".1f"),
            ("PSNR to the input (dB)", ".1f"),
            ("worst", ".1f"),
        ],
        rows=rows,
        notes=f"A picture that comes back as it was counts {UNCHANGED} dB.",
        details=details,
        machine=machine(threads=run.threads),
    )


def clean_sets(run):
    """{name: {title: 8-bit picture}}: photographs, as JPEG, as thumbnails; textures.

    A file of JPEG 95 comes with its tables, as from the command line.
    """
    own = {title: getattr(skimage.data, title)() for title in SCIKIT_IMAGE}
    sets = {"scikit-image": own, "scikit-image, JPEG 92, decoded": decoded(own)}
    sets["scikit-image, 160 pixels wide"] = thumbnails(own)
    if run.data:
        kodak = run.pictures("test/kodak12")[1]
        bsds = run.pictures("train/bsds")[1]
        sets["BSD, JPEG, decoded"] = dict([*bsds.items()][:100])
        sets["Kodak, JPEG 92, decoded"] = decoded(kodak)
        sets["Kodak, 160 pixels wide"] = thumbnails(kodak)
        for name, folder in (
            ("Kodak", "kodak12"),
            ("McMaster", "mcmaster18"),
            ("photos", "photos"),
        ):
            pictures = run.pictures(f"test/{folder}")[1]
            sets |= {name: pictures, f"{name}, JPEG 95": through_jpeg(pictures, 95)}
    return sets


def through_jpeg(pictures, quality):
    """Each picture as a JPEG file of that quality holds it, with sub-sampled chroma; its tables."""
    found = {}
    for title, picture in pictures.items():
        channels = picture.shape[2] if picture.ndim == 3 else 1
        samples = np.float32(picture / 255).reshape(*picture.shape[:2], channels)
        stored, coding = as_jpeg(samples, quality, 2)
        found[title] = eight_bits(stored).reshape(picture.shape), coding
    return found


def decoded(pictures, quality=92):
    """The pictures after they have been JPEG files of that quality, of which nothing is known."""
    return {title: picture for title, (picture, _) in through_jpeg(pictures, quality).items()}


def thumbnails(pictures, width=160):
    """The pictures so many pixels wide."""

    def small(picture):
        size = width, round(picture.shape[0] * width / picture.shape[1])
        return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))

    return {title: small(picture) for title, picture in pictures.items()}


def growth(run):
    """Time and peak memory of the whole command."""

    def arguments(folder, photo):
        tifffile.imwrite(folder / "noisy.tif", noisy(photo, TIMED, 0))
        return "denoise", folder / "noisy.tif", "-o", folder / "restored.tif", "--sigma", TIMED

    return harness.growth(run, "denoise-growth", "`restore denoise` of one grey photo", arguments)
