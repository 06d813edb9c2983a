"""The process of a system that a program controls (``skerry.api``): it runs until its owner has gone."""

from __future__ import annotations

import os
import socket
import traceback
from typing import Any, NoReturn

from skerry.cli.disks import parse_disk_images
from skerry.cli.network import parse_publish
from skerry.cli.run import make_environment, parse_bind, parse_count, parse_mount, parse_number, parse_size, parse_swap, parse_time
from skerry.control.lines import encode
from skerry.control.programs import Owner
from skerry.options import Config, Net, Options, UserError


def main(descriptor: int, owner: int) -> NoReturn:
    """``descriptor``: the socket, ``owner``: the process at its other end. It ends the process."""
    with socket.socket(fileno=descriptor) as sock:
        try:
            _run(sock, owner)
        except UserError as error:
            _tell(sock, {"failed": str(error), "status": error.status})
        except Exception:  # the last boundary: the owner learns of it
            _tell(sock, {"failed": f"this is a fault of Skerry: please report it:\n{traceback.format_exc()}", "status": 125})
    os._exit(0)  # as the command does


def _run(sock: socket.socket, owner: int) -> None:
    from skerry import system

    with sock.makefile("rb") as lines:
        words = _first(lines.readline())
    system.run(make_options(words), Owner(sock, owner, list(words["modules"])))


def _first(line: bytes) -> dict[str, Any]:
    import json

    words: dict[str, Any] = json.loads(line)
    return words


def _tell(sock: socket.socket, message: dict[str, Any]) -> None:
    try:
        sock.setblocking(True)
        sock.sendall(encode(message))
    except OSError:  # the owner has gone, or the system has closed it
        pass


def make_options(words: dict[str, Any]) -> Options:
    """The options that the words of ``skerry run``'s stand for. Raises UserError."""
    user = str(words["user"])
    environment = make_environment(tuple(words["env"]), user)
    swap, swap_directory = parse_swap("swap", str(words["swap"]), str(words["memory"]))
    try:
        config, net = Config(words["config"]), Net(words["net"])
    except ValueError as error:
        raise UserError(f"{error}: see skerry run --help for what there is") from error
    return Options(
        config=config,
        arguments=[],
        root=os.fsencode(words["root"]),
        upper=str(words["upper"]),
        user=user,
        binds=[parse_bind(text) for text in words["bind"]],
        mounts=[parse_mount(text) for text in words["mount"]],
        disk_images=parse_disk_images(words["disk_image"]),
        environment=environment,
        directory=os.fsencode(os.path.join(os.getcwd(), words["cwd"])),
        directory_given=bool(words["cwd"]),
        net=net,
        publish=[parse_publish(text) for text in words["publish"]],
        memory=parse_size("memory", str(words["memory"])),
        swap=swap,
        swap_directory=swap_directory,
        disk=parse_size("disk", str(words["disk"])),
        processes=parse_count("pids", str(words["pids"])),
        processors=parse_number("cpus", str(words["cpus"]), "2 or 0.5"),
        timeout=parse_time("timeout", str(words["timeout"])),
    )
