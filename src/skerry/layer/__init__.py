"""Writable layers that are kept in a directory of the host: opening one, seeing what it changes, and applying that."""
