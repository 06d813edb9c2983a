#!/usr/bin/python3
# Needs: python3
"""subprocess, os.fork and friends, pipes, signals, select, mmap."""

import errno
import fcntl
import mmap
import os
import resource
import select
import signal
import subprocess
import sys
import time

print(subprocess.run(["echo", "hi"], capture_output=True, text=True).stdout.strip())
print(subprocess.run("echo $0; exit 3", shell=True, stdout=subprocess.PIPE).returncode)
print(subprocess.run(["cat"], input=b"x" * 300000, stdout=subprocess.PIPE).stdout.count(b"x"))
print(subprocess.run(["sh", "-c", "kill -9 $$"]).returncode)
try:
    subprocess.run(["sleep", "5"], timeout=0.05)
except subprocess.TimeoutExpired as e:
    print(type(e).__name__)
for bad in (["nosuchprogram"], ["/etc/passwd"], ["/"]):
    try:
        subprocess.run(bad)
    except OSError as e:
        print(e.errno, e.strerror)
try:
    subprocess.check_output(["false"])
except subprocess.CalledProcessError as e:
    print(e)
with subprocess.Popen(["sort"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as p:
    print(p.communicate("b\na\n"))
p1 = subprocess.Popen(["seq", "1000"], stdout=subprocess.PIPE)
p2 = subprocess.Popen(["tail", "-1"], stdin=p1.stdout, stdout=subprocess.PIPE)
p1.stdout.close()
print(p2.communicate()[0], p1.wait())
p = subprocess.Popen(["sleep", "10"])
print(p.poll())
p.terminate()
print(p.wait())
print(
    subprocess.run(
        [sys.executable, "-c", "import os; print(os.environ.get('A'), os.getcwd())"],
        env={"A": "b"},
        cwd="/",
        capture_output=True,
        text=True,
    ).stdout
)
print(subprocess.run(["sh", "-c", "echo err >&2"], stderr=subprocess.STDOUT, stdout=subprocess.PIPE).stdout)
r, w = os.pipe()
os.set_inheritable(w, True)
subprocess.run(["sh", "-c", f"echo passed >&{w}"], close_fds=False)
os.close(w)
print(os.read(r, 100), os.read(r, 1))
os.close(r)
print(subprocess.run(["sh", "-c", "ps -o sid= -p $$ >/dev/null; echo $((1+1))"], start_new_session=True, capture_output=True).stdout)
print(subprocess.run(["sh", "-c", "umask"], preexec_fn=lambda: os.umask(0o077), capture_output=True).stdout)
pid = os.fork()
if not pid:
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
pid = os.posix_spawn(
    "/bin/sh", ["sh", "-c", "exit 8"], os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)], setpgroup=0
)
print(os.waitid(os.P_PID, pid, os.WEXITED).si_status)
with os.popen("echo popen") as said:  # closed, and so waited for: a wait below must not meet it
    print(said.read())
print(os.system("exit 5") >> 8, os.spawnlp(os.P_WAIT, "true", "true"))
sys.stdout.flush()
if not (pid := os.fork()):
    os.execvp("echo", ["echo", "execed"])
os.waitpid(pid, 0)
got = []
signal.signal(signal.SIGUSR1, lambda n, f: got.append(n))
os.kill(os.getpid(), signal.SIGUSR1)
print(got)
signal.signal(signal.SIGALRM, lambda n, f: got.append("alarm"))
signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
while got.count("alarm") < 3:
    signal.pause()
signal.setitimer(signal.ITIMER_REAL, 0)
print(signal.getitimer(signal.ITIMER_REAL))
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
os.kill(os.getpid(), signal.SIGUSR2)
print(signal.sigpending(), signal.sigwait([signal.SIGUSR2]), signal.sigtimedwait([signal.SIGUSR2], 0.01))
try:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(1)
except KeyboardInterrupt:
    print("interrupt")
r, w = os.pipe()
signal.set_wakeup_fd(w, warn_on_full_buffer=False) if os.set_blocking(w, False) is None else 0
os.kill(os.getpid(), signal.SIGUSR1)
print(os.read(r, 10))
signal.set_wakeup_fd(-1)
print(select.select([r], [w], [], 0)[1] == [w], select.select([r], [], [], 0.01))
os.write(w, b"x")
print(select.select([r], [], [], 1)[0] == [r])
q = select.poll()
q.register(r)
print(q.poll(10)[0][1])
os.close(w)
print(os.read(r, 5), q.poll(10)[0][1] & select.POLLHUP)
with mmap.mmap(-1, 100000) as m:
    if not (pid := os.fork()):
        m[:5] = b"child"
        os._exit(0)
    os.waitpid(pid, 0)
    print(m[:5], m.find(b"d"), len(m))
with open("f", "wb+") as f:
    f.write(b"0123456789" * 1000)
    f.flush()
    with mmap.mmap(f.fileno(), 0) as m:
        m[0:3] = b"abc"
        m.flush()
        print(m[:5], m.rfind(b"9"))
        f.seek(0)
        print(f.read(5))
        m.resize(20000) if hasattr(m, "resize") else 0
        print(len(m), os.fstat(f.fileno()).st_size)
    fcntl.flock(f, fcntl.LOCK_EX)
    fcntl.lockf(f, fcntl.LOCK_EX, 10, 5)
    print(
        fcntl.fcntl(f, fcntl.F_GETFD),
        f.seek(-3, 2),
        os.pread(f.fileno(), 4, 1),
        os.pwrite(f.fileno(), b"zz", 3),
        os.sendfile(os.open("out", os.O_CREAT | os.O_RDWR), f.fileno(), 0, 100),
    )
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 0, resource.getrusage(resource.RUSAGE_SELF).ru_utime > 0, resource.getpagesize())
try:
    resource.setrlimit(resource.RLIMIT_NOFILE, (30, 30))
    [os.dup(0) for _ in range(100)]
except OSError as e:
    print(e.errno == errno.EMFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1], resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
os.closerange(3, 100)
