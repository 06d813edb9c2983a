"""subprocess, threads, signals, fork, a process pool."""

import os
import signal
import subprocess
import threading
from multiprocessing import Pool

if __name__ == "__main__":
    print(subprocess.run(["echo", "hi"], capture_output=True, check=False).stdout)
    try:
        subprocess.run(["/nonexistent"], check=False)
    except FileNotFoundError as error:
        print(error)
    squares: list[int] = []
    threads = [threading.Thread(target=lambda n=n: squares.append(n * n)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(sorted(squares))
    signal.signal(signal.SIGUSR1, lambda number, frame: print("signal", number))
    os.kill(os.getpid(), signal.SIGUSR1)
    child = os.fork()
    if child == 0:
        os._exit(3)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    with Pool(2) as pool:
        print(pool.map(abs, [-1, -2, 3]))
