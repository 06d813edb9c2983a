/* Pipes and FIFOs: end of file, EPIPE, blocking and not, capacity, atomicity. */
#include "show.h"

static volatile int pipes_broken;
static void broken(int number) { (void)number; pipes_broken++; }

int main(void) {
  int p[2], n;
  char text[70000];
  memset(text, 'x', sizeof text);
  setvbuf(stdout, NULL, _IOLBF, 0);

  puts("-- a pipe");
  SHOW(pipe(p)); SHOW(write(p[1], "hello", 5)); SHOW(ioctl(p[0], FIONREAD, &n)); SHOW(n); SHOW(read(p[0], text, 3)); SHOW(read(p[0], text, 10)); SHOW(lseek(p[0], 0, SEEK_SET)); SHOW(pread(p[0], text, 1, 0)); SHOW(write(p[0], "x", 1)); SHOW(read(p[1], text, 1)); SHOW(close(p[1])); SHOW(read(p[0], text, 1)); SHOW(close(p[0])); SHOW(pipe2(p, 0x5555)); SHOW(ftruncate(p[0], 0)); SHOW(fsync(p[0]));

  puts("-- no reader");
  pipe(p); catch(SIGPIPE, broken, 0); close(p[0]); SHOW(write(p[1], "x", 1)); SHOW(pipes_broken); signal(SIGPIPE, SIG_IGN); SHOW(write(p[1], "x", 1)); SHOW(write(p[1], "x", 0)); close(p[1]);

  puts("-- not blocking");
  SHOW(pipe2(p, O_NONBLOCK | O_CLOEXEC)); SHOW(fcntl(p[0], F_GETFL) & O_NONBLOCK); SHOW(fcntl(p[0], F_GETFD)); SHOW(read(p[0], text, 1)); SHOW(write(p[1], text, 70000)); SHOW(write(p[1], "x", 1)); SHOW(read(p[0], text, 4096)); SHOW(write(p[1], text, 4096)); SHOW(write(p[1], "x", 1)); SHOW(fcntl(p[0], F_GETPIPE_SZ)); SHOW(fcntl(p[0], F_SETPIPE_SZ, 131072)); SHOW(fcntl(p[1], F_GETPIPE_SZ)); close(p[1]); long total = 0; while ((n = read(p[0], text, sizeof text)) > 0) total += n; SHOW(total); close(p[0]);

  puts("-- a writer that waits");
  pipe(p); fflush(stdout);
  pid_t child = fork();
  if (child == 0) { close(p[0]); for (int i = 0; i < 10; i++) if (write(p[1], text, 50000) != 50000) _exit(1); _exit(0); }
  close(p[1]); total = 0; while ((n = read(p[0], text, 777)) > 0) total += n; SHOW(total); int status; waitpid(child, &status, 0); show_status("writer", status); close(p[0]);

  puts("-- atomic writes");
  pipe(p); fflush(stdout);
  for (int k = 0; k < 4; k++) if (fork() == 0) { close(p[0]); char line[128]; memset(line, 'a' + k, 127); line[127] = '\n'; for (int i = 0; i < 200; i++) write(p[1], line, 128); _exit(0); }
  close(p[1]); FILE *in = fdopen(p[0], "r"); int lines = 0, mixed = 0; while (fgets(text, 1000, in)) { lines++; for (int i = 1; i < 127; i++) if (text[i] != text[0]) mixed = 1; } SHOW(lines); SHOW(mixed); fclose(in); while (wait(NULL) > 0) {}

  puts("-- a FIFO");
  SHOW(mkfifo("fifo", 0600)); SHOW(mkfifo("fifo", 0600)); SHOW(open("fifo", O_WRONLY | O_NONBLOCK)); SHOW(open("fifo", O_RDONLY | O_NONBLOCK)); SHOW(read(3, text, 1)); SHOW(open("fifo", O_WRONLY | O_NONBLOCK)); SHOW(read(3, text, 1)); SHOW(write(4, "abc", 3)); SHOW(read(3, text, 10)); close(4); SHOW(read(3, text, 1)); close(3);
  fflush(stdout); child = fork();
  if (child == 0) { int out = open("fifo", O_WRONLY); write(out, "through", 7); _exit(0); }
  SHOW(open("fifo", O_RDONLY)); SHOW(read(3, text, 100)); SHOW(read(3, text, 100)); waitpid(child, &status, 0); close(3); unlink("fifo");

  puts("-- waiting");
  pipe(p); struct pollfd one = {.fd = p[0], .events = POLLIN};
  SHOW(poll(&one, 1, 0)); write(p[1], "x", 1); SHOW(poll(&one, 1, 1000)); SHOW(one.revents); close(p[1]); SHOW(poll(&one, 1, 0)); SHOW(one.revents); read(p[0], text, 1); SHOW(poll(&one, 1, 0)); SHOW(one.revents); close(p[0]); SHOW(poll(&one, 1, 0)); SHOW(one.revents); pipe(p); close(p[0]); one = (struct pollfd){.fd = p[1], .events = POLLOUT}; SHOW(poll(&one, 1, 0)); SHOW(one.revents);
  return 0;
}
