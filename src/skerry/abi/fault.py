"""The one error of touching a program's memory."""


class Fault(Exception):
    """An address that a program gave is not mapped, or not for this access.

    ``args[0]`` is the address. A Unix server turns it into ``EFAULT``, a Mach kernel into ``KERN_INVALID_ADDRESS``.
    """
