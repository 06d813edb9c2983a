#!/usr/bin/python3
# Needs: python3
"""os, shutil, tempfile, pathlib, sqlite3, tarfile, zipfile, io on real files."""

import atexit
import glob
import gzip
import hashlib
import os
import pathlib
import pickle
import shutil
import sqlite3
import stat
import sys
import tempfile
import threading
import zipfile


def show(f, *a, **k):
    try:
        print(f(*a, **k))
    except OSError as e:
        print(type(e).__name__, e.errno, e.filename)


os.makedirs("a/b/c")
pathlib.Path("a/f").write_text("text")
os.symlink("f", "a/l")
os.link("a/f", "a/h")
print([(d, sorted(s), sorted(f)) for d, s, f in sorted(os.walk("a"))])
print(sorted((e.name, e.is_dir(), e.is_symlink(), e.stat().st_size if e.is_file() else 0) for e in os.scandir("a")))
for f, *args in (
    (os.mkdir, "a"),
    (os.rmdir, "a"),
    (os.unlink, "nothing"),
    (os.listdir, "a/f"),
    (os.chdir, "a/f"),
    (open, "a"),
    (os.readlink, "a/f"),
    (os.rename, "nothing", "x"),
    (os.rename, "a", "a/b/x"),
    (os.stat, "x" * 300),
    (os.stat, "a/f/x"),
    (os.open, "a/l", os.O_NOFOLLOW),
    (os.truncate, "a", 5),
    (os.access, "a/f", os.X_OK),
    (os.link, "a", "x"),
    (os.mkdir, "a/f/x"),
    (os.replace, "a/f", "a/b"),
    (os.getxattr, "a/f", "user.x"),
    (os.statvfs, "nothing"),
    (os.removedirs, "nothing"),
    (os.chmod, "nothing", 0),
):
    show(f, *args)
shutil.copytree("a", "copy", symlinks=True)
print(sorted(str(p) for p in pathlib.Path("copy").rglob("*")))
shutil.move("copy", "moved")
shutil.rmtree("moved")
print(os.path.exists("moved"), shutil.which("sh") is not None, shutil.disk_usage(".").total > 0)
shutil.make_archive("arc", "gztar", "a")
shutil.unpack_archive("arc.tar.gz", "un")
print(sorted(os.listdir("un")))
shutil.copyfileobj(open("/etc/passwd", "rb"), open("pw", "wb"))
print(os.path.getsize("pw") == os.path.getsize("/etc/passwd"), shutil.copy2("a/f", "f2"))
with (
    tempfile.TemporaryDirectory() as d,
    tempfile.NamedTemporaryFile(dir=d) as t,
    tempfile.TemporaryFile() as u,
    tempfile.SpooledTemporaryFile(10) as s,
):
    t.write(b"x")
    t.flush()
    print(os.path.getsize(t.name), os.listdir(d) == [os.path.basename(t.name)])
    u.write(b"12345")
    u.seek(1)
    print(u.read(), os.fstat(u.fileno()).st_nlink)
    s.write(b"y" * 100)
    s.seek(0)
    print(len(s.read()))
print(os.path.exists(d))
os.utime("a/f", ns=(1_000_000_001, 2_000_000_002))
st = os.stat("a/f")
print(st.st_atime_ns, st.st_mtime_ns, st.st_nlink, stat.filemode(st.st_mode))
os.chmod("a/f", 0o641)
print(oct(os.stat("a/l").st_mode))
print(os.lstat("a/l").st_size, os.path.realpath("a/l") == os.path.abspath("a/f"), os.path.samefile("a/f", "a/h"))
fd = os.open("d", os.O_RDWR | os.O_CREAT, 0o600)
print(os.write(fd, b"hello"), os.lseek(fd, 0, 0), os.read(fd, 3), os.ftruncate(fd, 100), os.fstat(fd).st_size, os.lseek(fd, 0, os.SEEK_END))
print(
    os.writev(fd, [b"a", b"bc"]),
    os.preadv(fd, [bytearray(2), bytearray(3)], 0),
    os.posix_fallocate(fd, 0, 200),
    os.fstat(fd).st_size,
    os.fdatasync(fd),
    os.copy_file_range(fd, os.open("e", os.O_WRONLY | os.O_CREAT), 50),
)
show(os.lseek, fd, -1, 0)
show(os.write, os.open("d", os.O_RDONLY), b"x")
os.close(fd)
show(os.fstat, fd)
dirfd = os.open("a", os.O_RDONLY)
print(sorted(os.listdir(dirfd)), os.stat("f", dir_fd=dirfd).st_size)
os.unlink("h", dir_fd=dirfd)
os.fchdir(dirfd)
print(os.path.basename(os.getcwd()))
os.chdir("..")
os.rename("f", "g", src_dir_fd=dirfd, dst_dir_fd=dirfd)
os.mkfifo("ff")
print(stat.S_ISFIFO(os.stat("ff").st_mode))
os.setxattr("a/g", "user.k", b"v") if sys.argv[1:] else None
with open("t", "w+", encoding="utf-8") as f:
    f.write("é\n" * 1000)
    f.seek(0)
    print(len(f.read()), f.tell())
    print(sum(1 for _ in open("t")))
with open("b", "wb", buffering=0) as f:
    print(f.write(b"z" * 5_000_000))
print(hashlib.sha256(open("b", "rb").read()).hexdigest()[:16])
open("b", "ab").write(b"end")
print(os.path.getsize("b"), open("b", "rb").read()[-5:])
gzip.open("g.gz", "wt").write("zipped")
print(gzip.open("g.gz", "rt").read())
with zipfile.ZipFile("z.zip", "w") as z:
    z.write("t")
    z.writestr("s", "x")
print(zipfile.ZipFile("z.zip").namelist(), zipfile.ZipFile("z.zip").testzip())
pickle.dump([1, {2}], open("p", "wb"))
print(pickle.load(open("p", "rb")))
print(sorted(glob.glob("**/*", recursive=True))[:5])
db = sqlite3.connect("x.db")
db.execute("create table t(a)")
db.executemany("insert into t values(?)", [(i,) for i in range(1000)])
db.commit()
print(db.execute("select sum(a) from t").fetchone())
db.close()


def insert(n):
    c = sqlite3.connect("x.db", timeout=30)
    for _ in range(10):
        with c:
            c.execute("insert into t values(?)", (n,))
    c.close()


ts = [threading.Thread(target=insert, args=(-n,)) for n in range(1, 5)]
[t.start() for t in ts]
[t.join() for t in ts]
print(sqlite3.connect("x.db").execute("select count(*), min(a) from t").fetchone())
sys.stdout.flush()
sys.stderr.write("error text\n")
atexit.register(print, "at exit")
sys.exit(12)
