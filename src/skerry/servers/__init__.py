"""Servers that are native tasks. They know the library and the numbers; a kernel's inside they do not."""
