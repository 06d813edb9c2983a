"""`python -m skerry` is the command."""

from skerry.cli import main

main(prog_name="skerry")
