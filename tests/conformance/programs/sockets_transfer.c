/* Bytes that go to and from sockets without the program: sendfile and splice; and what fork and exec do to sockets. */
#include "sockets.h"
#include <sys/sendfile.h>

int main(void) {
  int p[2], q[2], f;
  char text[70000];
  memset(text, 'x', sizeof text);
  setvbuf(stdout, NULL, _IOLBF, 0); signal(SIGPIPE, SIG_IGN);

  puts("-- sendfile");
  put("file", "some text in a file"); f = open("file", O_RDONLY); socketpair(AF_UNIX, SOCK_STREAM, 0, p);
  SHOW(sendfile(p[0], f, NULL, 9)); SHOW(lseek(f, 0, SEEK_CUR)); RECEIVE(p[1], 100, 0); off_t at = 5; SHOW(sendfile(p[0], f, &at, 100)); SHOW(at); RECEIVE(p[1], 100, 0); SHOW(sendfile(p[0], f, &at, 100)); SHOW(sendfile(p[0], p[1], NULL, 1)); close(p[1]); at = 0; SHOW(sendfile(p[0], f, &at, 5)); close(p[0]);

  puts("-- splice");
  socketpair(AF_UNIX, SOCK_STREAM, 0, p); pipe(q); SHOW(write(q[1], "piped", 5)); SHOW(splice(q[0], NULL, p[0], NULL, 100, 0)); RECEIVE(p[1], 100, 0); SHOW(write(p[1], "back again", 10)); SHOW(splice(p[0], NULL, q[1], NULL, 4, 0)); SHOW(read(q[0], text, 100)); at = 0; SHOW(splice(p[0], &at, q[1], NULL, 4, 0)); SHOW(splice(p[0], NULL, q[1], NULL, 100, 0)); SHOW(splice(p[0], NULL, q[1], NULL, 1, SPLICE_F_NONBLOCK)); SHOW(splice(p[0], NULL, p[1], NULL, 1, 0)); close(p[1]); read(q[0], text, 100); SHOW(splice(p[0], NULL, q[1], NULL, 9, 0)); write(q[1], "x", 1); SHOW(splice(q[0], NULL, p[0], NULL, 1, 0));

  puts("-- many at once");
  socketpair(AF_UNIX, SOCK_STREAM, 0, p); fflush(stdout);
  for (int i = 0; i < 3; i++) if (!fork()) { close(p[0]); for (int n = 0; n < 50; n++) { char line[64]; memset(line, 'a' + i, 64); write(p[1], line, 64); } _exit(0); }
  close(p[1]); long total = 0; ssize_t n; while ((n = read(p[0], text, 1000)) > 0) total += n; SHOW(total); while (wait(NULL) > 0) {} close(p[0]);
  socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p); fflush(stdout);
  if (!fork()) { dup2(p[1], 1); execlp("echo", "echo", "from exec", NULL); } close(p[1]); RECEIVE(p[0], 100, 0); RECEIVE(p[0], 100, 0); wait(NULL);
  return 0;
}
