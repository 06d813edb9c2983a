"""Terminals by Python's pty module: what each end reads, job control on a terminal, and hang-up."""

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time


def everything(descriptor):
    data = b""
    while True:
        try:
            step = os.read(descriptor, 4096)
        except OSError as error:
            return data, error.errno
        if not step:
            return data, 0
        data += step


def until(descriptor, text):
    data = b""
    while text not in data:
        data += os.read(descriptor, 4096)
    return data


master, slave = pty.openpty()
print(os.isatty(master), os.isatty(slave), os.ttyname(slave).startswith("/dev/pts/"), os.fstat(slave).st_rdev >> 8)
os.write(slave, b"hello\n")
print(os.read(master, 100))
os.write(master, b"abc\x7fd\n")
print(os.read(slave, 100), os.read(master, 100))
os.write(master, b"\4")
print(os.read(slave, 100))
os.write(master, b"one\ntwo\n")
select.select([slave], [], [])
print(os.read(slave, 2), os.read(slave, 100), os.read(slave, 100), until(master, b"two\r\n"))
for request in (termios.TIOCGPGRP, termios.TIOCSPGRP):
    try:
        print(fcntl.ioctl(slave, request, struct.pack("i", os.getpgrp())))
    except OSError as error:
        print(error.errno)
print(fcntl.ioctl(master, termios.TIOCGPGRP, bytes(4)))
lock = bytearray(fcntl.ioctl(slave, 0x5456, bytes(36)))  # TIOCGLCKTRMIOS
lock[12] = termios.ECHO
lock[17 + termios.VERASE] = 1
try:
    fcntl.ioctl(slave, 0x5457, bytes(lock))
    modes = termios.tcgetattr(slave)
    modes[3] &= ~(termios.ECHO | termios.ECHOE)
    modes[6][termios.VERASE] = modes[6][termios.VKILL] = b"#"
    termios.tcsetattr(slave, termios.TCSANOW, modes)
    modes = termios.tcgetattr(slave)
    print(lock.count(0), modes[3] & termios.ECHO, modes[3] & termios.ECHOE, modes[6][termios.VERASE], modes[6][termios.VKILL])
    fcntl.ioctl(slave, 0x5457, bytes(36))
except PermissionError:
    print("only root may lock modes")
fcntl.ioctl(master, termios.TIOCPKT, struct.pack("i", 1))
os.write(slave, b"packet")
print(os.read(master, 100))
fcntl.ioctl(master, termios.TIOCPKT, struct.pack("i", 0))
modes = termios.tcgetattr(slave)
modes[3] &= ~termios.ECHO
termios.tcsetattr(slave, termios.TCSANOW, modes)
print(os.write(master, b"x" * 50000 + b"\n"), len(os.read(slave, 100000)))  # what is too much is lost
os.close(slave)
try:
    os.read(master, 1)
except OSError as error:
    print(error.errno)
poll = select.poll()
poll.register(master)
print(poll.poll(0)[0][1] & select.POLLHUP)
os.close(master)

master, slave = pty.openpty()
os.close(master)
poll = select.poll()
poll.register(slave)
print(poll.poll(0)[0][1], os.read(slave, 10))
try:
    os.write(slave, b"x")
except OSError as error:
    print(error.errno)
os.close(slave)

child, terminal = pty.fork()
if not child:
    os.execlp("sh", "sh", "-c", "echo in; read x; echo got $x; exit 3")
print(until(terminal, b"in\r\n"))
os.write(terminal, b"text\n")
print(everything(terminal), os.waitpid(child, 0)[1])
os.close(terminal)

for key in (b"\3", b"\34"):
    child, terminal = pty.fork()
    if not child:
        signal.signal(signal.SIGQUIT, signal.SIG_DFL)
        os.write(1, b"ready\n")
        while True:
            time.sleep(0.01)
    until(terminal, b"ready\r\n")
    os.write(terminal, key)
    print(everything(terminal)[1], os.waitpid(child, 0)[1] & 0x7F in (1, 2, 3))
    os.close(terminal)

child, terminal = pty.fork()
if not child:
    signal.signal(signal.SIGHUP, lambda *_: os._exit(7))
    os.write(1, b"ready\n")
    while True:  # not pause: Python would not see a signal that comes just before it
        time.sleep(0.01)
until(terminal, b"ready\r\n")
os.close(terminal)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

child, terminal = pty.fork()
if not child:  # a leader whose child, in a group of its own, reads in the background
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    other = os.fork()
    if not other:
        os.setpgid(0, 0)
        os.read(0, 1)
        os._exit(0)
    print("stopped by", os.WSTOPSIG(os.waitpid(other, os.WUNTRACED)[1]))
    os.tcsetpgrp(0, other)
    print(os.tcgetpgrp(0) == other)
    os.kill(other, signal.SIGCONT)
    print("continued", os.WIFCONTINUED(os.waitpid(other, os.WCONTINUED)[1]), flush=True)
    print("ended", os.waitpid(other, 0)[1], flush=True)
    try:
        os.read(0, 1)
    except OSError as error:
        print("orphan", error.errno)
    os._exit(0)
print(until(terminal, b"continued True\r\n"))
os.write(terminal, b"\n")
print(everything(terminal), os.waitpid(child, 0)[1])
