"""The command ``restore inspect``."""

from click.testing import CliRunner
from PIL import Image

from restore.cli import cli
from restore.files.reading import read_picture
from restore.sparse.dictionary import Dictionary, overcomplete_dct
from tests import SAMPLES
from tests.cli.photos import lines


def inspect(*arguments):
    return CliRunner().invoke(cli, ["inspect", *map(str, arguments)], standalone_mode=False)


def test_inspect_describes_dictionaries(tmp_path):
    path = tmp_path / "some.npz"
    uses = [5] * 63 + [0]
    Dictionary(overcomplete_dct(64, (8, 8, 1)).atoms, (8, 8, 1), {"uses": uses}).save(path)
    curve = ("--curve", SAMPLES / "camera-clean.png")
    result = inspect(path, "--json", "--picture", tmp_path / "atoms.png", *curve)
    (found,) = lines(result)
    assert found["format"] == "dictionary" and found["atoms"] == 64 and found["channels"] == 1
    assert found["coherence"] < 1 and found["guaranteed_sparsity"] >= 1
    assert found["atoms_never_used"] == 1
    errors = list(found["error_by_atoms_per_patch"].values())
    assert errors == sorted(errors, reverse=True)
    assert read_picture(tmp_path / "atoms.png").samples.shape[2] == 1
    assert "coherence" in inspect("grey", "colour").stdout


def test_inspect_tells_what_it_cannot_describe(tmp_path):
    (tmp_path / "text.npz").write_text("hello")
    (tmp_path / "zip.npz").write_bytes(b"PK\x03\x04")
    result = inspect("grey", tmp_path / "text.npz", tmp_path / "zip.npz", tmp_path / "none.npz")
    assert result.return_value == 1 and result.stderr.count("restore: ") == 3
    assert "Traceback" not in result.stderr


def test_a_curve_of_no_pictures_says_why(tmp_path):
    Image.new("L", (3, 3)).save(tmp_path / "tiny.png")
    result = inspect("grey", "--curve", tmp_path)
    assert result.return_value == 1 and "tiny.png: left out: 3 x 3 pixels" in result.stderr
