"""System calls of Linux x86-64, a module for each family, and the one table of them all."""
