"""A tree of generated files: skerry run --mount /squares=examples/translators/squares.py:Squares -- cat /squares/12"""

from skerry.lib.translator import Files, Generated


class Squares(Generated):
    """A file for each number up to 100, and a table of them all."""

    def files(self) -> Files:
        numbers: Files = {f"{n}": f"{n * n}\n" for n in range(101)}
        return {**numbers, "tables/all.csv": lambda: "".join(f"{n},{n * n}\n" for n in range(101))}
