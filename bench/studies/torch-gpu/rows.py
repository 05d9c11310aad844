"""What the parts of the study found, one JSON object a line, and the table of them.

python rows.py FILE prints the table of a file, and ends with 1 where something is beyond its bound. Needs no
PyTorch.
"""
import json
import os
import sys


def put(part, what, measured, unit="", predicted=None, least=None, most=None, near=None):
    """A row. `least` and `most` bound what was measured; `near`: by which share a prediction may be off."""
    row = {"part": part, "what": what, "measured": measured, "unit": unit, "predicted": predicted}
    write({**row, "least": least, "most": most, "near": near})


def skip(part, what, why):
    write({"part": part, "what": what, "skipped": why})


def write(row):
    with open(os.environ["ROWS"], "a") as file:
        file.write(json.dumps(row) + "\n")
    print(line_of(row), flush=True)


def verdict(row):
    """ "ok", "FAILED", or "" where nothing bounds the row."""
    if "skipped" in row:
        return "skipped"
    measured, held = row["measured"], []
    if row["least"] is not None:
        held.append(measured >= row["least"])
    if row["most"] is not None:
        held.append(measured <= row["most"])
    if row["near"] is not None and row["predicted"] is not None:
        held.append(abs(measured / row["predicted"] - 1) <= row["near"])
    return "" if not held else "ok" if all(held) else "FAILED"


def amount(number):
    if number is None:
        return ""
    size = abs(number)
    if size != 0 and (size < 1e-2 or size >= 1e7):
        return f"{number:.1e}"
    return f"{number:,.0f}" if size >= 100 else f"{number:.3g}"


def bound_of(row):
    """The bound in words: at least, at most, or so close to the prediction."""
    said = [
        f">= {amount(row['least'])}" if row["least"] is not None else "",
        f"<= {amount(row['most'])}" if row["most"] is not None else "",
        f"+-{100 * row['near']:.0f} %" if row["near"] is not None else "",
    ]
    return " ".join(word for word in said if word)


def cells(row):
    if "skipped" in row:
        return [row["part"], row["what"], "", "", "", "", f"skipped: {row['skipped']}"]
    predicted = row["predicted"]
    off = f"{100 * (row['measured'] / predicted - 1):+.0f} %" if predicted else ""
    return [
        row["part"],
        row["what"],
        amount(predicted),
        f"{amount(row['measured'])} {row['unit']}".strip(),
        off,
        bound_of(row),
        verdict(row),
    ]


def line_of(row):
    return "  ".join(cell for cell in cells(row) if cell)


HEAD = ["part", "what", "predicted", "measured", "off", "bound", ""]


def table(rows):
    lines = [HEAD, *(cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]
    failed = sum(verdict(row) == "FAILED" for row in rows)
    skipped = sum("skipped" in row for row in rows)
    return "\n".join([*text, f"{len(rows) - failed - skipped} fine, {failed} failed, {skipped} skipped"])


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        found = [json.loads(line) for line in file if line.strip()]
    print(table(found))
    sys.exit(any(verdict(row) == "FAILED" for row in found))
