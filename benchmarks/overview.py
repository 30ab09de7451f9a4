"""One table of all tasks, a row each, taken from the stored ones: the best peer, the losses."""

from typing import NamedTuple

from benchmarks.harness import Table


class Row(NamedTuple):
    """A task, and where its numbers are."""

    task: str
    table: str
    ours: tuple
    """(first cell of a row, number of a column) of what restore reaches."""
    theirs: tuple
    """The same of the best peer that was run beside it."""
    peer: str
    losses: str
    seconds: int | None = None
    """Number of the column of seconds, where they are comparable."""


BALANCED = "restore, balanced"
ROWS = (
    Row(
        "denoise, grey, sigma 25", "denoise-grey-set12", (BALANCED, 2), ("BM3D", 2), "BM3D",
        "to the networks FFDNet, which is faster, too, and DnCNN", 5,
    ),
    Row(
        "denoise, colour, sigma 25", "denoise-colour-mcmaster18", (BALANCED, 2), ("BM3D", 2),
        "BM3D", "to large networks",
    ),
    Row(
        "denoise, cameras, nothing told", "denoise-camera", ("restore, blind", 1),
        ("BM3D, sigma 15 for all", 1), "BM3D, its best sigma",
        "to networks trained on one kind of camera; on camera JPEGs (polyu) by 0.5 dB to BM3D told "
        "the best sigma of each picture",
    ),
    Row(
        "dejpeg, quality 10", "dejpeg-classic5", ("quality 10", 3), ("quality 10", 2),
        "non-local means, best strength", "to the network FBCNN",
    ),
    Row(
        "inpaint, 80 % missing", "inpaint-set12", (BALANCED, 4),
        ("biharmonic (scikit-image)", 4), "biharmonic (scikit-image)",
        "in time to the filters of OpenCV", 6,
    ),
    Row(
        "demosaic, Kodak", "demosaic-kodak12", ("restore", 1),
        ("Menon et al. 2007 (colour-demosaicing)", 1), "Menon 2007 (colour-demosaicing)",
        "in time to all peers", 2,
    ),
    Row(
        "demosaic, McMaster", "demosaic-mcmaster18", ("restore", 1), ("VNG (OpenCV)", 1),
        "VNG (OpenCV)", "to the network RNAN; in time to all peers", 2,
    ),
    Row(
        "deblur, mean of five blurs", "deblur-set12", ("restore", 6),
        ("BM3D (bm3d), best noise level", 6), "BM3D, its best noise level",
        "in time to Wiener's filter",
    ),
    Row(
        "sense, 10 % of the projections", "sense-set12", ("restore", 1),
        ("total variation, best weight", 1), "total variation, best weight",
        "in time; to networks that were trained for one rate",
    ),
    Row(
        "super-resolve, 3 times", "enlarge-set5", ("restore", 3), ("Lanczos (Pillow)", 3),
        "Lanczos (Pillow)", "to the network VDSR; in time", 4,
    ),
    Row(
        "compress, 0.5 bits per pixel", "compress-kodak12", ("restore --tune psnr", 2),
        ("AVIF, speed 1, tuned for PSNR", 2), "AVIF tuned for PSNR, speed 1",
        "to AVIF tuned for PSNR at its slowest speed (not if corrected), and in time of decoding",
    ),
)  # fmt: skip


def table():
    """The table, made of what is stored now."""
    rows = []
    for row in ROWS:
        stored = Table.load(row.table)
        cells = {cells[0]: cells for cells in stored.rows}
        (ours, at), (theirs, their_at) = row.ours, row.theirs
        reached, peer = cells[ours][at], cells[theirs][their_at]
        ratio = row.seconds and cells[ours][row.seconds] / cells[theirs][row.seconds]
        rows.append([row.task, reached, row.peer, peer, reached - peer, ratio, row.losses])
    return Table(
        name="overview",
        title="PSNR on the standard sets, beside the best peer that was run on the same pictures",
        columns=[
            ("task", ""),
            ("restore (dB)", ".2f"),
            ("best peer", ""),
            ("its PSNR (dB)", ".2f"),
            ("gain (dB)", "+.2f"),
            ("processor time / peer", ",.1f"),
            ("where it loses", ""),
        ],
        rows=rows,
        notes="A dash where times were not measured together.",
        machine="the machines that the tables of each task name",
    )
