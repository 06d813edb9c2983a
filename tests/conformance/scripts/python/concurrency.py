#!/usr/bin/python3
# Needs: python3
"""threading, multiprocessing, concurrent.futures, queues, locks."""

import concurrent.futures
import multiprocessing as mp
import os
import queue
import sys
import threading
import time
from multiprocessing import shared_memory


def square(x):
    return x * x


def add(value, lock):
    for _ in range(200):
        with lock:
            value.value += 1


def produce(q):
    for i in range(100):
        q.put(i)
    q.put(None)


def talk(c):
    c.send({"got": c.recv()})
    c.close()


def fail():
    raise SystemExit(9)


def hang():
    time.sleep(60)


if __name__ == "__main__":
    n = 0
    lock = threading.Lock()

    def work():
        global n
        for _ in range(200):
            with lock:
                n += 1

    ts = [threading.Thread(target=work) for _ in range(50)]
    [t.start() for t in ts]
    [t.join() for t in ts]
    print(n, threading.active_count())
    c = threading.Condition()
    items = []

    def consumer():
        with c:
            while len(items) < 10:
                c.wait(1)
        print("consumed", sum(items))

    t = threading.Thread(target=consumer)
    t.start()
    for i in range(10):
        with c:
            items.append(i)
            c.notify()
    t.join()
    e = threading.Event()
    threading.Timer(0.02, e.set).start()
    print(e.wait(5), e.wait(0))
    b = threading.Barrier(4)
    out = []
    ts = [threading.Thread(target=lambda: out.append(b.wait())) for _ in range(4)]
    [t.start() for t in ts]
    [t.join() for t in ts]
    print(sorted(out))
    s = threading.Semaphore(2)
    print(s.acquire(), s.acquire(), s.acquire(timeout=0.01))
    local = threading.local()
    local.x = 1
    q = queue.Queue(5)
    threading.Thread(target=lambda: [q.put(i) for i in range(50)]).start()
    print(sum(q.get() for _ in range(50)))
    try:
        q.get(timeout=0.01)
    except queue.Empty:
        print("empty")
    with concurrent.futures.ThreadPoolExecutor(8) as ex:
        print(sum(ex.map(square, range(100))))
    with concurrent.futures.ProcessPoolExecutor(2) as ex:
        print(sum(ex.map(square, range(100), chunksize=10)), ex.submit(square, 7).result())
    for method in ("fork", "spawn", "forkserver"):
        if method == "forkserver":
            continue  # AF_UNIX sockets
        ctx = mp.get_context(method)
        print(method)
        v = ctx.Value("i", 0)
        lk = ctx.Lock()
        ps = [ctx.Process(target=add, args=(v, lk)) for _ in range(3)]
        [p.start() for p in ps]
        [p.join() for p in ps]
        print(v.value, [p.exitcode for p in ps])
        q = ctx.Queue()
        p = ctx.Process(target=produce, args=(q,))
        p.start()
        total = 0
        while (x := q.get()) is not None:
            total += x
        p.join()
        print(total)
        p = ctx.Process(target=fail)
        p.start()
        p.join()
        print(p.exitcode)
        p = ctx.Process(target=hang)
        p.start()
        p.terminate()
        p.join()
        print(p.exitcode)
        a, b = ctx.Pipe(False) if False else ctx.Pipe(duplex=False)
        p = ctx.Process(target=b.send, args=("x" * 200000,))
        p.start()
        print(len(a.recv()))
        p.join()
        with ctx.Pool(2) as pool:
            print(pool.map(square, range(10)), pool.apply_async(square, (5,)).get(10), list(pool.imap_unordered(abs, [-1])))
        arr = ctx.Array("d", 5)
        arr[2] = 1.5
        print(arr[:])
        ev = ctx.Event()
        p = ctx.Process(target=ev.set)
        p.start()
        print(ev.wait(10))
        p.join()
        sem = ctx.BoundedSemaphore(1)
        print(sem.acquire(), sem.acquire(timeout=0.01))
    sh = shared_memory.SharedMemory(create=True, size=1000)
    sh.buf[:5] = b"hello"
    o = shared_memory.SharedMemory(sh.name)
    print(bytes(o.buf[:5]))
    o.close()
    sh.close()
    sh.unlink()
    print(os.cpu_count() > 0, len(os.sched_getaffinity(0)) > 0)
    d = threading.Thread(target=time.sleep, args=(60,), daemon=True)
    d.start()
    sys.stdout.flush()
    os._exit(3) if len(sys.argv) > 1 else sys.exit("message")
