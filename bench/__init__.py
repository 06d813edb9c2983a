"""Skerry beside native Linux, PRoot and gVisor, in one interleaved run: ``python -m bench``."""
