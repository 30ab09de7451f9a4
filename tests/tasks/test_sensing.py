"""Pictures from few measurements: what is measured, what files say, what comes back."""

import io

import numpy as np
import pytest

from restore.files.reading import read_picture
from restore.imaging.measures import psnr
from restore.sparse.operators import Blocks, Fourier
from restore.tasks.sensing import determined, measurements, radial, sense, simulated
from tests import SAMPLES


def scene(height=66, width=60):
    return read_picture(SAMPLES / "camera-clean.png").samples[90 : 90 + height, 90 : 90 + width, 0]


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def quality(truth, found):
    return psnr(truth[..., None], found[..., None])


def test_radial_masks_are_symmetric_and_hold_the_low_frequencies():
    for shape in ((64, 64), (65, 48)):
        mask = radial(shape, 0.2)
        assert 0.2 <= mask.mean() < 0.25
        turned = np.roll(mask[::-1, ::-1], 1, axis=(0, 1))
        assert np.array_equal(mask, turned)
        assert mask[:2, :2].all()


@pytest.mark.parametrize("kind, share", [("random-fourier", 0.3), ("blocks", 0.1)])
def test_simulations_measure_the_share(kind, share):
    operator = simulated(kind, share, (66, 66), seed=1)
    if kind == "blocks":
        assert len(operator.matrix) == round(share * 33 * 33)
        assert np.allclose(
            operator.matrix @ operator.matrix.T, np.eye(len(operator.matrix)), atol=1e-5
        )
    else:
        assert share < operator.mask.mean() < share + 0.03
    with pytest.raises(ValueError, match="share"):
        simulated(kind, 1.5, (66, 66))


@pytest.mark.parametrize(
    "kind, share, least", [("radial", 0.2, 3.0), ("random-fourier", 0.3, 3.0), ("blocks", 0.25, 12)]
)
def test_pictures_come_back_better_than_by_zero_filling(kind, share, least):
    truth = scene()
    operator = simulated(kind, share, truth.shape)
    measured, told = operator.forward(truth), []
    found = sense(measured, operator, each_turn=told.append)
    assert quality(truth, found) > quality(truth, operator.adjoint(measured)) + least
    assert told[-1].residual < 0.2 * told[0].residual
    # what was measured is met
    left = np.abs(measured - operator.forward(found))
    assert np.sqrt(np.mean(left**2)) < 3e-3


def test_a_dictionary_is_learned_as_the_picture_emerges():
    truth = scene(40, 44)
    operator = simulated("radial", 0.3, truth.shape)
    measured = operator.forward(truth)
    found = sense(measured, operator, dictionary="learn")
    assert quality(truth, found) > quality(truth, operator.adjoint(measured)) + 1.5


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_a_plane_of_frequencies_is_read_either_way(centred, masked):
    truth = scene() * np.exp(0.3j)
    mask = radial(truth.shape, 0.3)
    plane = np.where(mask, 50 * np.fft.fft2(truth), 0).astype(np.complex64)
    given = np.fft.fftshift(plane) if centred else plane
    known = (np.fft.fftshift(mask) if centred else mask) if masked else None
    measured, operator, scale, found = measurements.fourier({"": given}, known)
    assert found == centred
    assert np.array_equal(operator.mask, mask)
    assert np.allclose(scale * measured, plane[mask], rtol=1e-4)
    assert np.abs(operator.adjoint(measured)).max() == pytest.approx(1, rel=1e-4)


def test_projections_are_read_with_their_matrix_or_without():
    operator = Blocks(np.random.default_rng(0).standard_normal((5, 16)).astype(np.float32), (9, 10))
    measured = operator.forward(scene()[:9, :10])
    arrays = measurements.arrays_of(
        npz(measurements=measured, shape=[9, 10], matrix=operator.matrix)
    )
    found, read = measurements.blocks(arrays)
    assert np.array_equal(found, measured) and np.array_equal(read.matrix, operator.matrix)
    del arrays["matrix"]
    assert np.array_equal(measurements.blocks(arrays, operator.matrix)[0], measured)
    with pytest.raises(ValueError, match="no array 'matrix'"):
        measurements.blocks(arrays)


MATRIX = np.ones((2, 16), np.float32)


@pytest.mark.parametrize(
    "arrays, words",
    [
        ({"shape": [8, 8], "matrix": MATRIX}, "no array 'measurements'"),
        ({"measurements": np.ones((4, 2)), "shape": [8.0, 8], "matrix": MATRIX}, "shape two"),
        ({"measurements": np.ones((4, 2)), "shape": [8, 1 << 40], "matrix": MATRIX}, "shape two"),
        ({"measurements": np.ones((4, 2)), "shape": [8, 8], "matrix": MATRIX[:, :15]}, "square"),
        ({"measurements": np.ones((3, 2)), "shape": [8, 8], "matrix": MATRIX}, "the matrix makes"),
        ({"measurements": np.full((4, 2), np.inf), "shape": [8, 8], "matrix": MATRIX}, "NaN"),
    ],
)
def test_projections_that_do_not_fit_are_refused(arrays, words):
    with pytest.raises(ValueError, match=words):
        measurements.blocks(measurements.arrays_of(npz(**arrays)))


@pytest.mark.parametrize(
    "arrays, mask, words",
    [
        ({"": np.zeros((4, 4, 2), complex)}, None, "height, width"),
        ({"": np.zeros((4, 4), complex)}, None, "all 0"),
        ({"": np.full((4, 4), np.nan + 0j)}, None, "NaN"),
        ({"": np.ones((4, 4), complex)}, np.ones((4, 5), bool), "same size"),
        ({"": np.ones((4, 4), complex)}, np.zeros((4, 4), bool), "black"),
        ({"a": np.ones((4, 4)), "b": np.ones((4, 4))}, None, "several arrays"),
    ],
)
def test_frequencies_that_do_not_fit_are_refused(arrays, mask, words):
    with pytest.raises(ValueError, match=words):
        measurements.fourier(arrays, mask)


def test_bytes_that_are_no_arrays_are_refused():
    whole = npz(kspace=np.ones((4, 4), complex))
    pickled = io.BytesIO()
    np.save(pickled, np.array([{}], object), allow_pickle=True)
    for data in (b"", b"nonsense", whole[:-30], pickled.getvalue()):
        with pytest.raises(ValueError, match="no .npy or .npz"):
            measurements.arrays_of(data)


def test_magnitude_and_phase_come_back():
    rows, columns = np.mgrid[:66, :60]
    truth = (scene() * np.exp(1j * (rows + columns) / 60)).astype(np.complex64)
    operator = Fourier(radial(truth.shape, 0.4))
    found = sense(operator.forward(truth), operator)
    assert quality(np.abs(truth), np.abs(found)) > 27
    assert np.abs(np.angle(found * np.conj(truth)))[np.abs(truth) > 0.3].mean() < 0.1


def test_low_frequencies_determine_more_of_a_picture():
    low = np.zeros((24, 36), bool)
    low[:6, :6] = True
    high = np.roll(low, (9, 12), axis=(0, 1))
    shares = [determined(Fourier(mask)) for mask in (low, high, ~high, ~low)]
    assert shares[0] > 2 * shares[1]
    assert np.isclose(shares[1] + shares[2], 1) and np.isclose(shares[0] + shares[3], 1)
    assert determined(Fourier(np.ones((24, 36), bool))) == 1
    blocks = simulated("blocks", 0.25, (66, 66))
    assert np.isclose(determined(blocks), 0.25, atol=0.001)
