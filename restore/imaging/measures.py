"""Quality measures against a reference: PSNR and SSIM, as in the literature."""

import numpy as np

from restore.typing import Array


def psnr(reference: Array, result: Array) -> float:
    """Peak signal-to-noise ratio in dB, over all samples together, for a peak of 1.

    Parameters
    ----------
    reference, result : (height, width, channels) ndarray
        Nominal range [0, 1]; `result` is clipped to it.

    Returns
    -------
    float
        Infinite for equal pictures.

    Raises
    ------
    ValueError
        If the sizes differ.
    """
    check_sizes(reference, result)
    error = np.square(reference.astype(np.float64) - np.clip(result, 0, 1)).mean()
    return float("inf") if error == 0 else float(-10 * np.log10(error))


def ssim(reference: Array, result: Array) -> float:
    """Structural similarity (Wang, Bovik, Sheikh & Simoncelli, TIP 2004), mean over channels.

    The paper's Gaussian window of standard deviation 1.5; parameters and errors as in `psnr`.

    Returns
    -------
    float
        1 for equal pictures; NaN if a side is shorter than the window of 11.
    """
    from skimage.metrics import structural_similarity

    check_sizes(reference, result)
    if min(reference.shape[:2]) < 11:
        return float("nan")
    return float(
        structural_similarity(
            reference,
            np.clip(result, 0, 1),
            data_range=1,
            channel_axis=2,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )


def check_sizes(reference: Array, result: Array) -> None:
    """Raise a ValueError with both sizes if they differ."""
    if reference.shape != result.shape:
        words = [
            f"{width} x {height} with {channels} channel{'s' * (channels > 1)}"
            for height, width, channels in (reference.shape, result.shape)
        ]
        raise ValueError(f"the reference is {words[0]}, the result is {words[1]}")
