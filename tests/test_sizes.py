"""The house stays small: files, functions and parameters, and a literal twin for every kernel file.

The table in docs/architecture.md is what `sizes` counts; ``python -m tests.test_sizes`` prints it.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "restore").rglob("*.py"))

#: Most lines of a file and of a function's body; most parameters of a function, and of a kernel.
LINES, BODY, PARAMETERS, ARGUMENTS = 450, 80, 10, 8

#: Kernel files without a twin of their own, and why.
WITHOUT_TWIN = {
    "__init__": "no kernel",
    "jit": "compiles the others",
    "lanes": "helpers of the pursuits, tested through their twins",
    "linear": "tested against NumPy",
    "walk": "its twin is that of the blocks",
}


def functions():
    """(file, function, lines of its body, parameters, whether it is a kernel) of the package."""
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef):
                body = node.body
                if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
                    body = body[1:]
                lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
                given = node.args
                count = len(given.posonlyargs + given.args + given.kwonlyargs)
                compiled = any("kernel" in ast.dump(word) for word in node.decorator_list)
                yield file, node.name, lines, count, compiled


def sizes():
    """The rows of the table in docs/architecture.md."""
    every = list(functions())
    lengths = {file: len(file.read_text().splitlines()) for file in FILES}
    largest = max(lengths, key=lengths.get)
    body = max(every, key=lambda row: row[2])
    public = max((row for row in every if not (row[1].startswith("_") or row[4])),
                 key=lambda row: row[3])  # fmt: skip
    kernel = max((row for row in every if row[4]), key=lambda row: row[3])
    kernels = sum(row[4] for row in every)
    return [
        ("lines", f"{round(sum(lengths.values()), -3):,}"),
        ("largest file", f"{largest.relative_to(ROOT).as_posix()}, {lengths[largest]} lines"),
        ("largest body", f"`{body[1]}`, {body[2]} lines"),
        ("most parameters", f"`{public[1]}`, {public[3]}; of a kernel `{kernel[1]}`, {kernel[3]}"),
        ("kernels", str(kernels)),
    ]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_files_are_short(file):
    assert len(file.read_text().splitlines()) <= LINES


def test_functions_are_short_and_take_few_parameters():
    for file, name, lines, count, compiled in functions():
        assert lines <= BODY, f"{file.name}: {name}"
        if compiled or not name.startswith("_"):
            assert count <= (ARGUMENTS if compiled else PARAMETERS), f"{file.name}: {name}"


def test_every_kernel_file_has_a_twin():
    twins = {file.stem for file in (ROOT / "tests/reference").glob("*.py")}
    kernels = {file.stem for file in (ROOT / "restore/kernels").glob("*.py")}
    assert kernels - twins == set(WITHOUT_TWIN) - twins


def table():
    """The table in docs/architecture.md."""
    return "\n".join(["| | |", "|---|---|", *(f"| {what} | {value} |" for what, value in sizes())])


def test_the_page_says_how_large_the_house_is():
    page = (ROOT / "docs/architecture.md").read_text()
    assert table() in page, "put there what this prints: python -m tests.test_sizes"


if __name__ == "__main__":
    print(table())
