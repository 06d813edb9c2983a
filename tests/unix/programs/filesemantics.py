"""Prints what file system calls do, in the current directory, which is empty. The same lines are expected on every Linux."""

import ctypes
import errno
import fcntl
import mmap
import os
import stat
import struct
import time

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def say(name, act):
    try:
        result = act()
    except OSError as error:
        result = errno.errorcode[error.errno]
    print(f"{name}: {result}", flush=True)


def raw(number, *arguments):
    words = [a if isinstance(a, (bytes, ctypes.Array)) else ctypes.c_long(a) for a in arguments]
    result = libc.syscall(ctypes.c_long(number), *words)
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
    return result


def touch(path, data=b"x", mode=0o644):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    os.write(fd, data)
    os.close(fd)


def contents(path):
    with open(path, "rb") as file:
        return file.read()


def mode_of(path):
    return oct(os.lstat(path).st_mode)


def renames():
    os.makedirs("r/full/x")
    os.mkdir("r/empty")
    touch("r/file", b"one")
    touch("r/other", b"two")
    os.symlink("file", "r/link")
    say("rename file over dir", lambda: os.rename("r/file", "r/empty"))
    say("rename dir over file", lambda: os.rename("r/empty", "r/file"))
    say("rename dir over full dir", lambda: os.rename("r/empty", "r/full"))
    say("rename full over empty dir", lambda: os.rename("r/full", "r/empty"))
    say("rename dir into itself", lambda: os.rename("r", "r/empty/y"))
    say("rename over file", lambda: os.rename("r/file", "r/other"))
    say("contents", lambda: contents("r/other"))
    say("rename dangling link", lambda: os.rename("r/link", "r/link2"))
    os.link("r/other", "r/same")
    say("rename over the same inode", lambda: os.rename("r/other", "r/same"))
    say("both stay", lambda: sorted(os.listdir("r")))
    say("trailing slash on file", lambda: os.rename("r/other/", "r/z"))
    say("trailing slash on dir", lambda: os.rename("r/empty/", "r/moved/"))
    say("noreplace", lambda: raw(316, -100, b"r/other", -100, b"r/same", 1))
    touch("r/third", b"three")
    say("exchange", lambda: raw(316, -100, b"r/third", -100, b"r/moved", 2))
    say("exchanged", lambda: (contents("r/moved"), os.listdir("r/third")))
    parent = os.open("r/third/x", os.O_RDONLY)
    os.mkdir("elsewhere")
    os.rename("r/third/x", "elsewhere/x")
    say("dotdot of a moved dir", lambda: os.listdir(os.open("..", os.O_RDONLY, dir_fd=parent)))


def opens():
    touch("o", b"0123456789")
    say("O_EXCL", lambda: os.open("o", os.O_CREAT | os.O_EXCL))
    os.symlink("nowhere", "dangling")
    say("O_EXCL on a dangling link", lambda: os.open("dangling", os.O_CREAT | os.O_EXCL))
    say("O_CREAT through it", lambda: os.close(os.open("dangling", os.O_CREAT | os.O_WRONLY, 0o640)))
    say("made", lambda: mode_of("nowhere"))
    say("O_NOFOLLOW", lambda: os.open("dangling", os.O_NOFOLLOW))
    say("O_DIRECTORY", lambda: os.open("o", os.O_DIRECTORY))
    say("O_TRUNC read-only", lambda: os.close(os.open("o", os.O_TRUNC)))
    say("size", lambda: os.stat("o").st_size)
    say("dir for writing", lambda: os.open(".", os.O_WRONLY))
    fd = os.open("o", os.O_WRONLY | os.O_APPEND)
    touch("o", b"abc")
    os.lseek(fd, 0, 0)
    os.write(fd, b"def")
    say("append", lambda: (contents("o"), os.lseek(fd, 0, 1)))
    say("pwrite on append", lambda: (os.pwrite(fd, b"!", 0), contents("o")))
    say("read write-only", lambda: os.read(fd, 1))
    say("flags", lambda: oct(fcntl.fcntl(fd, fcntl.F_GETFL) & ~0o100000))
    say("setfl", lambda: (fcntl.fcntl(fd, fcntl.F_SETFL, os.O_NONBLOCK), oct(fcntl.fcntl(fd, fcntl.F_GETFL) & ~0o100000)))
    say("write at the end of the world", lambda: os.pwrite(fd, b"x", (1 << 63) - 1))
    say("negative offset", lambda: os.pread(fd, 1, -1))


def sparse():
    fd = os.open("s", os.O_RDWR | os.O_CREAT, 0o600)
    os.pwrite(fd, b"x" * 4096, 8 << 20)
    say("size and blocks", lambda: (os.fstat(fd).st_size, os.fstat(fd).st_blocks))
    say("data", lambda: os.lseek(fd, 0, os.SEEK_DATA))
    say("hole", lambda: os.lseek(fd, 0, os.SEEK_HOLE))
    say("hole after data", lambda: os.lseek(fd, 8 << 20, os.SEEK_HOLE))
    say("past the end", lambda: os.lseek(fd, 9 << 20, os.SEEK_DATA))
    say("hole reads zero", lambda: os.pread(fd, 4, 100))
    os.ftruncate(fd, 10 << 20)
    say("data after the last", lambda: os.lseek(fd, (8 << 20) + 4096, os.SEEK_DATA))
    say("punch", lambda: raw(285, fd, 3, 8 << 20, 4096))
    say("punched", lambda: (os.pread(fd, 4, 8 << 20), os.fstat(fd).st_blocks))
    say("allocate", lambda: (os.posix_fallocate(fd, 0, 11 << 20), os.fstat(fd).st_size))
    say("keep size", lambda: (raw(285, fd, 1, 0, 12 << 20), os.fstat(fd).st_size))


def links():
    touch("h1", b"link")
    os.link("h1", "h2")
    say("nlink", lambda: os.stat("h1").st_nlink)
    fd = os.open("h1", os.O_RDWR)
    os.unlink("h1")
    os.write(fd, b"LI")
    say("other name", lambda: contents("h2"))
    os.unlink("h2")
    say("unlinked", lambda: (os.fstat(fd).st_nlink, os.pread(fd, 10, 0)))
    say("its path", lambda: os.readlink(f"/proc/self/fd/{fd}").rsplit("/", 1)[1])
    say("open again", lambda: contents(f"/proc/self/fd/{fd}"))
    say("link it back", lambda: raw(265, -100, b"/proc/self/fd/%d" % fd, -100, b"h3", 0x400))
    os.mkdir("hd")
    say("link a dir", lambda: os.link("hd", "hd2"))
    os.symlink("o", "hs")
    os.link("hs", "hs2", follow_symlinks=False)
    say("link of a link", lambda: (os.readlink("hs2"), os.lstat("hs").st_nlink))
    tmp = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o604)
    os.write(tmp, b"unnamed")
    say("tmpfile", lambda: (os.fstat(tmp).st_nlink, oct(os.fstat(tmp).st_mode)))
    say("name it", lambda: raw(265, -100, b"/proc/self/fd/%d" % tmp, -100, b"named", 0x400))
    say("named", lambda: (contents("named"), os.fstat(tmp).st_nlink))
    tmp = os.open(".", os.O_TMPFILE | os.O_RDWR | os.O_EXCL, 0o600)
    say("not to be named", lambda: raw(265, -100, b"/proc/self/fd/%d" % tmp, -100, b"named2", 0x400))


def directories():
    os.mkdir("d")
    for n in range(300):
        touch(f"d/{n}")
    count = 0
    for entry in os.scandir("d"):
        os.unlink(entry.path)
        count += 1
    say("deleted while listing", lambda: (count, os.listdir("d")))
    os.mkdir("d/sub")
    fd = os.open("d", os.O_RDONLY | os.O_DIRECTORY)
    buffer = ctypes.create_string_buffer(4096)

    def entries():
        size = raw(217, fd, buffer, 4096)
        at, found = 0, []
        while at < size:
            _, offset, length, kind = struct.unpack_from("<QqHB", buffer.raw, at)
            found.append((buffer.raw[at + 19 : at + length].split(b"\0")[0], kind, offset))
            at += length
        return found

    first = entries()
    say("names and kinds", lambda: sorted((name, kind) for name, kind, _ in first))
    say("at the end", entries)
    touch("d/later")
    os.lseek(fd, 0, 0)
    say("rewound", lambda: sorted(name for name, _, _ in entries()))
    os.lseek(fd, 0, 0)
    listed = entries()
    os.lseek(fd, listed[1][2], 0)
    say("seekdir", lambda: [entry[0] for entry in entries()] == [entry[0] for entry in listed[2:]])
    say("small buffer", lambda: raw(217, fd, buffer, 10))
    os.unlink("d/later")
    os.rmdir("d/sub")
    os.rmdir("d")
    say("removed", lambda: (os.fstat(fd).st_nlink, os.listdir(fd)))
    say("create in it", lambda: os.open("x", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    say("mkdir in it", lambda: os.mkdir("x", dir_fd=fd))
    os.mkdir("gone")
    os.chdir("gone")
    os.rmdir("../gone")
    say("getcwd", os.getcwd)
    say("stat dot", lambda: os.stat(".").st_nlink)
    say("up", lambda: os.chdir(".."))


def modes():
    os.umask(0o027)
    touch("m1", mode=0o666)
    os.mkdir("m2", 0o777)
    say("umask", lambda: (mode_of("m1"), mode_of("m2")))
    os.umask(0o022)
    os.mkdir("sg")
    os.chmod("sg", 0o2775)
    os.mkdir("sg/sub")
    say("setgid dir", lambda: mode_of("sg/sub"))
    touch("suid")
    os.chmod("suid", 0o6755)
    say("setuid kept", lambda: mode_of("suid"))
    os.chown("suid", -1, os.getgid())
    say("after chown", lambda: mode_of("suid"))
    os.mkdir("sticky")
    os.chmod("sticky", 0o1777)
    say("sticky", lambda: mode_of("sticky"))
    if os.getuid() == 0:
        touch("sticky/root")
        touch("secret", mode=0o600)
        os.mkdir("closed", 0o700)
        touch("closed/x")
        os.chmod(".", 0o777)
        pid = os.fork()
        if not pid:
            os.setgid(1234)
            os.setgroups([])
            os.setresuid(0, 1234, 0)
            say("access by real ids", lambda: os.access("secret", os.R_OK))
            say("access by effective ids", lambda: os.access("secret", os.R_OK, effective_ids=True))
            os.setresuid(1234, 1234, 1234)
            say("open secret", lambda: os.open("secret", os.O_RDONLY))
            say("stat in closed", lambda: os.stat("closed/x"))
            say("unlink in sticky", lambda: os.unlink("sticky/root"))
            say("chmod of another's", lambda: os.chmod("m1", 0o777))
            say("chown away", lambda: os.chown("m1", 1234, -1))
            say("times of another's", lambda: os.utime("secret"))
            touch("mine")
            say("mine", lambda: (os.stat("mine").st_uid, os.stat("mine").st_gid))
            os.chmod("mine", 0o4755)
            fd = os.open("mine", os.O_WRONLY)
            os.write(fd, b"y")
            say("setuid goes with a write", lambda: mode_of("mine"))
            say("setgid of a foreign group", lambda: (os.chmod("mine", 0o2755), mode_of("mine")))
            os._exit(0)
        os.waitpid(pid, 0)


def names():
    os.symlink("loop2", "loop1")
    os.symlink("loop1", "loop2")
    say("ELOOP", lambda: os.stat("loop1"))
    say("lstat of it", lambda: stat.S_ISLNK(os.lstat("loop1").st_mode))
    previous = "o"
    for n in range(45):
        os.symlink(previous, f"chain{n}")
        previous = f"chain{n}"
    say("40 links", lambda: os.stat("chain39").st_size)
    say("41 links", lambda: os.stat("chain40"))
    say("255", lambda: touch("n" * 255))
    say("256", lambda: touch("n" * 256))
    say("4095", lambda: os.stat("./" * 2047 + "o").st_size)
    say("4096", lambda: os.stat("./" * 2048 + "o"))
    say("empty", lambda: os.stat(""))
    say("file/", lambda: os.stat("o/"))
    say("file/.", lambda: os.stat("o/."))
    say("file/..", lambda: os.stat("o/.."))
    say("dir/", lambda: stat.S_ISDIR(os.stat("sg/").st_mode))
    os.symlink("sg", "tosg")
    say("link/ lstat", lambda: stat.S_ISDIR(os.lstat("tosg/").st_mode))
    say("rmdir link/", lambda: os.rmdir("tosg/"))
    say("unlink dir", lambda: os.unlink("sg"))
    say("rmdir file", lambda: os.rmdir("o"))
    say("rmdir .", lambda: os.rmdir("sg/."))
    say("rmdir ..", lambda: os.rmdir("sg/sub/.."))
    say("rmdir full", lambda: os.rmdir("sg"))
    say("mkdir file/", lambda: os.mkdir("o/"))
    say("mkdir new/", lambda: os.mkdir("newdir/"))
    say("create new/", lambda: os.open("new/", os.O_CREAT | os.O_WRONLY))
    say("long symlink", lambda: os.symlink("x" * 4095, "longlink"))
    say("longer symlink", lambda: os.symlink("x" * 4096, "longerlink"))
    say("readlink file", lambda: os.readlink("o"))
    say("non-ASCII", lambda: (touch(b"\xff\xfe"), b"\xff\xfe" in os.listdir(b".")))


def changed(path, act):
    """Which of the times change."""
    os.utime(path, (1, 2), follow_symlinks=False)
    before = os.lstat(path)
    time.sleep(0.02)
    act()
    after = os.lstat(path)
    fields = ("st_mtime_ns", "st_ctime_ns")
    return [field[3] for field in fields if getattr(before, field) != getattr(after, field)]


def times():
    touch("t")
    os.mkdir("td")
    touch("td/f")
    fd = os.open("t", os.O_RDWR)
    say("write", lambda: changed("t", lambda: os.write(fd, b"x")))
    say("write nothing", lambda: changed("t", lambda: os.write(fd, b"")))
    say("truncate", lambda: changed("t", lambda: os.ftruncate(fd, 0)))
    say("truncate to the same", lambda: changed("t", lambda: os.ftruncate(fd, 0)))
    say("O_TRUNC", lambda: changed("t", lambda: os.close(os.open("t", os.O_TRUNC | os.O_WRONLY))))
    say("chmod", lambda: changed("t", lambda: os.chmod("t", 0o600)))
    say("link", lambda: changed("t", lambda: os.link("t", "t2")))
    say("unlink", lambda: changed("t", lambda: os.unlink("t2")))
    say("rename", lambda: (os.rename("t", "t3"), changed("t3", lambda: os.rename("t3", "t"))[-1:]))
    say("dir: create", lambda: changed("td", lambda: touch("td/g")))
    say("dir: unlink", lambda: changed("td", lambda: os.unlink("td/g")))
    say("dir: rename", lambda: changed("td", lambda: os.rename("td/f", "td/g")))
    say("dir: write to file", lambda: changed("td", lambda: touch("td/g", b"more")))
    say("utime", lambda: (os.utime("t", ns=(1_500_000_001, -1_500_000_000)), os.stat("t").st_atime_ns, os.stat("t").st_mtime_ns))
    now, omit = 0x3FFFFFFF, 0x3FFFFFFE
    times_of = struct.pack("<4q", 0, omit, 0, omit)
    say("omit both", lambda: (raw(280, -100, b"t", ctypes.create_string_buffer(times_of), 0), os.stat("t").st_mtime_ns))
    times_of = struct.pack("<4q", 7, 8, 0, omit)
    say(
        "omit one",
        lambda: (raw(280, -100, b"t", ctypes.create_string_buffer(times_of), 0), os.stat("t").st_atime_ns, os.stat("t").st_mtime_ns),
    )
    times_now = struct.pack("<4q", 0, now, 0, now)
    say("now", lambda: (raw(280, -100, b"t", ctypes.create_string_buffer(times_now), 0), time.time() - os.stat("t").st_mtime < 5))
    bad = struct.pack("<4q", 0, 1_000_000_000, 0, 0)
    say("bad nanoseconds", lambda: raw(280, -100, b"t", ctypes.create_string_buffer(bad), 0))
    os.symlink("t", "tl")
    say("of a link", lambda: (os.utime("tl", (5, 6), follow_symlinks=False), os.lstat("tl").st_mtime, os.stat("t").st_mtime > 100))


def maps():
    touch("map", b"a" * 10000)
    fd = os.open("map", os.O_RDWR)
    m = mmap.mmap(fd, 10000)
    m[0:3] = b"MAP"
    say("read", lambda: os.pread(fd, 4, 0))
    os.pwrite(fd, b"write", 100)
    say("see", lambda: m[99:106])
    private = mmap.mmap(fd, 10000, flags=mmap.MAP_PRIVATE)
    private[0:4] = b"mine"
    say("private", lambda: (private[0:5], os.pread(fd, 5, 0)))
    os.ftruncate(fd, 5000)
    say("tail is zero", lambda: m[5000:5004])
    os.ftruncate(fd, 10000)
    say("grown", lambda: (m[4999:5001], m[9000:9002]))
    pid = os.fork()
    if not pid:
        os.ftruncate(fd, 4096)
        m[5000]
        os._exit(0)
    say("past the end", lambda: os.waitpid(pid, 0)[1])
    say("map a dir", lambda: mmap.mmap(os.open(".", os.O_RDONLY), 1, prot=mmap.PROT_READ))
    readonly = os.open("map", os.O_RDONLY)
    say("writable map, read-only file", lambda: mmap.mmap(readonly, 1, prot=mmap.PROT_WRITE))
    say("msync", m.flush)


def copies():
    touch("c1", bytes(range(256)) * 64)
    touch("c2", b"")
    a, b = os.open("c1", os.O_RDONLY), os.open("c2", os.O_RDWR)
    say("copy_file_range", lambda: os.copy_file_range(a, b, 1000))
    say("positions", lambda: (os.lseek(a, 0, 1), os.lseek(b, 0, 1)))
    say("with offsets", lambda: (os.copy_file_range(a, b, 100, 10, 2000), os.lseek(a, 0, 1), os.fstat(b).st_size))
    say("at the end", lambda: os.copy_file_range(a, b, 100, 1 << 20))
    say("sendfile", lambda: (os.sendfile(b, a, 0, 50), os.lseek(a, 0, 1), os.lseek(b, 0, 1)))
    say("sendfile at the position", lambda: (os.sendfile(b, a, None, 50), os.lseek(a, 0, 1)))
    r, w = os.pipe()
    say("sendfile to a pipe", lambda: (os.sendfile(w, a, 5, 3), os.read(r, 10)))
    say("sendfile from a pipe", lambda: os.sendfile(b, r, None, 3))
    say("splice out", lambda: (os.splice(a, w, 4, offset_src=65), os.read(r, 10)))
    say("splice in", lambda: (os.write(w, b"spliced"), os.splice(r, b, 7, offset_dst=0), os.pread(b, 8, 0)))
    say("copy onto itself", lambda: os.copy_file_range(b, b, 10, 0, 5))
    say("to a read-only", lambda: os.copy_file_range(b, a, 10))


def paths():
    fd = os.open("o", os.O_PATH)
    say("O_PATH read", lambda: os.read(fd, 1))
    say("O_PATH fstat", lambda: os.fstat(fd).st_size)
    say("O_PATH fchmod", lambda: os.fchmod(fd, 0o600))
    say("O_PATH dup", lambda: os.close(os.dup(fd)))
    say("O_PATH reopened", lambda: contents(f"/proc/self/fd/{fd}"))
    say("O_PATH flags", lambda: oct(fcntl.fcntl(fd, fcntl.F_GETFL) & ~0o100000))
    link = os.open("hs", os.O_PATH | os.O_NOFOLLOW)
    say("O_PATH of a link", lambda: (os.readlink("", dir_fd=link), stat.S_ISLNK(os.fstat(link).st_mode)))
    directory = os.open("sg", os.O_PATH)
    say("O_PATH dir", lambda: stat.S_ISDIR(os.stat("sub", dir_fd=directory).st_mode))
    say("O_PATH list", lambda: os.listdir(directory))
    say("fchdir", lambda: (os.fchdir(directory), os.path.basename(os.getcwd()), os.chdir("..")))
    say("fd of a file as dir", lambda: os.stat("x", dir_fd=fd))
    how = struct.pack("<QQQ", 0, 0, 0x08)
    say("openat2 beneath", lambda: os.close(raw(437, -100, b"sg/sub", ctypes.create_string_buffer(how), 24)))
    say("openat2 up", lambda: raw(437, -100, b"..", ctypes.create_string_buffer(how), 24))
    say("openat2 absolute", lambda: raw(437, -100, b"/", ctypes.create_string_buffer(how), 24))
    say("openat2 there and back", lambda: os.close(raw(437, -100, b"sg/..", ctypes.create_string_buffer(how), 24)))
    no_links = struct.pack("<QQQ", 0, 0, 0x04)
    say("openat2 no links", lambda: raw(437, -100, b"tosg/sub", ctypes.create_string_buffer(no_links), 24))
    in_root = struct.pack("<QQQ", 0, 0, 0x10)
    root = os.open("sg", os.O_RDONLY)
    say("openat2 in root", lambda: os.close(raw(437, root, b"/../../sub", ctypes.create_string_buffer(in_root), 24)))
    magic = struct.pack("<QQQ", 0, 0, 0x02)
    say("openat2 no magic links", lambda: raw(437, -100, b"/proc/self/fd/%d" % fd, ctypes.create_string_buffer(magic), 24))
    bad = struct.pack("<QQQ", 0, 0o644, 0)
    say("openat2 mode without create", lambda: raw(437, -100, b"o", ctypes.create_string_buffer(bad), 24))
    long = struct.pack("<QQQQ", 0, 0, 0, 1)
    say("openat2 too long", lambda: raw(437, -100, b"o", ctypes.create_string_buffer(long), 32))
    statx = ctypes.create_string_buffer(256)

    def look():
        raw(332, -100, b"o", 0, 0xFFF, statx)
        mask, _, _, nlink, _, _, mode = struct.unpack_from("<IIQIIIH", statx.raw)
        return hex(mask & 0x7FF), nlink, oct(mode), struct.unpack_from("<Q", statx.raw, 40)[0]

    say("statx", look)
    say("statx bad flags", lambda: raw(332, -100, b"o", 0x6000, 0xFFF, statx))
    say("fstat by empty path", lambda: raw(332, fd, b"", 0x1000, 0xFFF, statx))
    say("/proc/self/cwd", lambda: os.readlink("/proc/self/cwd") == os.getcwd())
    say("/dev/fd", lambda: contents(f"/dev/fd/{os.open('o', os.O_RDONLY)}"))
    r, _ = os.pipe()
    say("pipe's link", lambda: os.readlink(f"/proc/self/fd/{r}").split(":")[0])
    say("access", lambda: [os.access("o", mode) for mode in (os.R_OK, os.W_OK, os.X_OK)])


def limits():
    import resource
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
    fd = os.open("limited", os.O_RDWR | os.O_CREAT)
    say("short write at the limit", lambda: os.write(fd, b"x" * 2000))
    say("write at the limit", lambda: os.write(fd, b"x"))
    say("pwrite over it", lambda: os.pwrite(fd, b"xy", 999))
    say("truncate over it", lambda: os.ftruncate(fd, 1001))
    say("fallocate over it", lambda: os.posix_fallocate(fd, 0, 2000))


for part in (renames, opens, sparse, links, directories, modes, names, times, maps, copies, paths, limits):
    print(f"== {part.__name__}")
    part()
