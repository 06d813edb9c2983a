"""Numbers and layouts that both sides of an interface share; imports nothing of Skerry."""
