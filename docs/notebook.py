"""Run the notebook and keep its outputs in it: ``python docs/notebook.py``."""

import ast
import base64
import contextlib
import io
import json
from pathlib import Path

NOTEBOOK = Path(__file__).parent / "notebook.ipynb"


def outputs_of(source, names):
    """What a cell prints and shows, as a notebook keeps it: text, and pictures as PNG.

    Parameters
    ----------
    source : str
    names : dict
        What the cells before have defined; added to.

    Returns
    -------
    list of dict
    """
    tree, printed = ast.parse(source), io.StringIO()
    shown = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, "cell", "exec"), names)
        value = eval(compile(ast.Expression(shown.value), "cell", "eval"), names) if shown else None
    found = []
    if printed.getvalue():
        found.append({"output_type": "stream", "name": "stdout", "text": printed.getvalue()})
    if value is not None:
        drawn = hasattr(value, "_repr_png_")
        data = {"text/plain": type(value).__name__ if drawn else repr(value)}
        if hasattr(value, "_repr_html_"):
            assert value._repr_html_()  # a page of its own: too large to keep
        if drawn:
            data["image/png"] = base64.b64encode(value._repr_png_()).decode()
        found.append(
            {"output_type": "execute_result", "execution_count": None, "metadata": {}, "data": data}
        )
    return found


def main():
    """Run all cells."""
    notebook, names = json.loads(NOTEBOOK.read_text(encoding="utf-8")), {}
    for number, cell in enumerate(notebook["cells"], 1):
        if cell["cell_type"] == "code":
            cell["outputs"] = outputs_of("".join(cell["source"]), names)
            cell["execution_count"] = number
            for output in cell["outputs"]:
                if "execution_count" in output:
                    output["execution_count"] = number
    NOTEBOOK.write_text(json.dumps(notebook, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
