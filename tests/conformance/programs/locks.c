/* fcntl locks, open-file-description locks and flock, between processes. */
#include "show.h"
#include <sys/file.h>

static int lock(int fd, int command, int type, long start, long length) {
  struct flock request = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
  return fcntl(fd, command, &request);
}
static void ask(int fd, int type, long start, long length) {
  struct flock request = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
  int result = fcntl(fd, F_GETLK, &request);
  printf("F_GETLK %d..%d: %d type %d start %ld length %ld holder is parent: %d\n", (int)start, (int)length, result, request.l_type, (long)request.l_start, (long)request.l_len, request.l_pid == getppid());
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  int fd = open("locked", O_RDWR | O_CREAT, 0600), go[2];
  write(fd, "0123456789", 10);

  puts("-- between processes");
  SHOW(lock(fd, F_SETLK, F_WRLCK, 2, 4)); SHOW(lock(fd, F_SETLK, F_RDLCK, 8, 0)); SHOW(lock(fd, F_SETLK, F_WRLCK, 3, 1));
  CHILD("child", { SHOW(lock(fd, F_SETLK, F_WRLCK, 0, 3)); SHOW(lock(fd, F_SETLK, F_RDLCK, 5, 1)); SHOW(lock(fd, F_SETLK, F_RDLCK, 9, 5)); SHOW(lock(fd, F_SETLK, F_WRLCK, 6, 2)); SHOW(lock(fd, F_SETLK, F_WRLCK, 100, 1)); ask(fd, F_WRLCK, 0, 100); ask(fd, F_WRLCK, 6, 2); ask(fd, F_RDLCK, 8, 4); });
  SHOW(lock(fd, F_SETLK, F_UNLCK, 3, 1));
  CHILD("a hole", { SHOW(lock(fd, F_SETLK, F_WRLCK, 3, 1)); ask(fd, F_WRLCK, 2, 1); ask(fd, F_WRLCK, 4, 4); });
  SHOW(close(dup(fd)));
  CHILD("closing any descriptor drops them", { SHOW(lock(fd, F_SETLK, F_WRLCK, 0, 0)); });

  puts("-- waiting");
  lock(fd, F_SETLK, F_WRLCK, 0, 0); pipe(go); fflush(stdout);
  pid_t child = fork();
  if (child == 0) { write(go[1], "r", 1); int result = lock(fd, F_SETLKW, F_WRLCK, 0, 0); printf("child has it: %d\n", result); fflush(stdout); _exit(0); }
  char byte; read(go[0], &byte, 1); usleep(30000); puts("parent lets go"); fflush(stdout); lock(fd, F_SETLK, F_UNLCK, 0, 0); waitpid(child, NULL, 0);
  fflush(stdout); child = fork();
  if (child == 0) { lock(fd, F_SETLKW, F_WRLCK, 0, 0); write(go[1], "r", 1); usleep(30000); _exit(0); }
  read(go[0], &byte, 1); SHOW(lock(fd, F_SETLKW, F_WRLCK, 0, 0)); waitpid(child, NULL, 0); lock(fd, F_SETLK, F_UNLCK, 0, 0);

  puts("-- deadlock");
  lock(fd, F_SETLK, F_WRLCK, 0, 1); fflush(stdout); child = fork();
  if (child == 0) { lock(fd, F_SETLK, F_WRLCK, 1, 1); write(go[1], "r", 1); int result = lock(fd, F_SETLKW, F_WRLCK, 0, 1); _exit(result ? 1 : 0); }
  read(go[0], &byte, 1); usleep(50000); SHOW(lock(fd, F_SETLKW, F_WRLCK, 1, 1)); lock(fd, F_SETLK, F_UNLCK, 0, 1); int status; waitpid(child, &status, 0); show_status("child", status);

  puts("-- errors");
  SHOW(lock(fd, F_SETLK, 77, 0, 1)); SHOW(lock(fd, F_SETLK, F_WRLCK, -5, 1)); SHOW(lock(99, F_SETLK, F_WRLCK, 0, 1)); int reader = open("locked", O_RDONLY); SHOW(lock(reader, F_SETLK, F_WRLCK, 0, 1)); SHOW(lock(reader, F_SETLK, F_RDLCK, 0, 1)); SHOW(fcntl(fd, F_SETLK, (void *)8));

  puts("-- flock");
  int other = open("locked", O_RDWR);
  SHOW(flock(fd, LOCK_EX)); SHOW(flock(other, LOCK_EX | LOCK_NB)); SHOW(flock(other, LOCK_SH | LOCK_NB)); SHOW(flock(fd, LOCK_SH)); SHOW(flock(other, LOCK_SH | LOCK_NB)); SHOW(flock(fd, LOCK_EX | LOCK_NB)); SHOW(flock(other, LOCK_UN)); SHOW(flock(fd, LOCK_EX | LOCK_NB)); SHOW(flock(fd, 16)); SHOW(flock(99, LOCK_SH));
  CHILD("inherited", SHOW(flock(fd, LOCK_UN)); SHOW(flock(other, LOCK_EX | LOCK_NB)));

  puts("-- open file descriptions");
  flock(other, LOCK_UN); SHOW(lock(fd, F_OFD_SETLK, F_WRLCK, 0, 5)); SHOW(lock(other, F_OFD_SETLK, F_WRLCK, 4, 1)); SHOW(lock(other, F_OFD_SETLK, F_WRLCK, 5, 1)); close(fd); SHOW(lock(other, F_OFD_SETLK, F_WRLCK, 4, 1));
  unlink("locked");
  return 0;
}
