/* Files without names: sharing, seals, mapping, execution. */
#include "show.h"
#include <sys/syscall.h>

int main(int count, char **words) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  char name[300], text[32] = {0};
  struct stat info;
  memset(name, 'n', sizeof name);
  puts("-- creation");
  int fd = memfd_create("a name", MFD_CLOEXEC);
  TRUTH(fd >= 0); SHOW(fcntl(fd, F_GETFD)); SHOW((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR); SHOW(memfd_create("x", 0x7000)); SHOW(memfd_create(NULL, 0));
  name[250] = 0; SHOW(memfd_create(name, 0)); name[249] = 0; WORKS(close(memfd_create(name, 0)));
  fstat(fd, &info); printf("%o %ld %ld\n", info.st_mode, (long)info.st_size, (long)info.st_nlink);
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd); SHOW(readlink(name, text, sizeof text - 1)); puts(text);
  SHOW(write(fd, "hello", 5)); SHOW(pread(fd, text, 5, 0)); SHOW(ftruncate(fd, 8192)); SHOW(lseek(fd, 0, SEEK_END)); SHOW(fcntl(fd, F_GET_SEALS)); SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE)); SHOW(fcntl(0, F_GET_SEALS));

  puts("-- shared");
  char *shared = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  CHILD("writer", { shared[0] = 'j'; shared[5000] = 'z'; });
  SHOW(pread(fd, text, 5, 0)); puts(text); SHOW(shared[5000] == 'z'); SHOW(pwrite(fd, "J", 1, 0)); SHOW(shared[0] == 'J');

  puts("-- seals");
  fd = memfd_create("sealed", MFD_ALLOW_SEALING);
  SHOW(ftruncate(fd, 4096)); SHOW(fcntl(fd, F_GET_SEALS)); SHOW(fcntl(fd, F_ADD_SEALS, 0x1000));
  SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK)); SHOW(ftruncate(fd, 100)); SHOW(ftruncate(fd, 8192)); SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW)); SHOW(ftruncate(fd, 10000)); SHOW(pwrite(fd, "x", 1, 8192)); SHOW(pwrite(fd, "x", 1, 8191)); SHOW(fallocate(fd, 0, 0, 10000)); SHOW(fallocate(fd, 0, 0, 8192));
  shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE)); SHOW(munmap(shared, 4096)); SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE)); SHOW(write(fd, "x", 1)); SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
  WORKS(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)); WORKS(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0)); SHOW(fcntl(fd, F_GET_SEALS)); SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL)); SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK)); SHOW(fcntl(fd, F_GET_SEALS));
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd); int reader = open(name, O_RDONLY); TRUTH(reader >= 0); SHOW(fcntl(reader, F_ADD_SEALS, F_SEAL_GROW)); SHOW(fcntl(reader, F_GET_SEALS));

  puts("-- execution");
  fd = memfd_create("program", MFD_CLOEXEC);
  int program = open("/bin/true", O_RDONLY);
  static char block[1 << 20];
  for (ssize_t got; (got = read(program, block, sizeof block)) > 0;) write(fd, block, got);
  CHILD("true", { char *arguments[] = {"true", NULL}, *environment[] = {NULL}; fexecve(fd, arguments, environment); });
  return 0;
}
