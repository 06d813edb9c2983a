"""Mach: tasks, threads, ports and messages."""
