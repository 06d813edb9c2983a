"""`python -m skerry` is the command."""

from skerry.cli import main

main()
