/* Transfers of more than two MiB by one call: all of it is moved, up to the end of the file or of the memory. */
#include "show.h"
#include <sys/mman.h>
#include <sys/uio.h>

#define M (1L << 20)

int main(void) {
  char *memory = mmap(NULL, 12 * M, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int fd = open("large", O_RDWR | O_CREAT | O_TRUNC, 0600);
  for (int i = 0; i < 5; i++) memset(memory + i * M, i + 1, M);
  SHOW(write(fd, memory, 5 * M + 3));
  memset(memory, 0, 6 * M);
  SHOW(lseek(fd, 0, SEEK_SET));
  SHOW(read(fd, memory, 10 * M));
  SHOW(lseek(fd, 0, SEEK_CUR));
  for (int i = 0; i < 6; i++) SHOW(memory[i * M]);
  SHOW(pread(fd, memory, 4 * M, M / 2));
  SHOW(memory[4 * M - 1]);
  struct iovec vector[] = {{memory, 3 * M}, {memory + 4 * M, M}, {memory + 6 * M, 5 * M}};
  SHOW(lseek(fd, 0, SEEK_SET));
  SHOW(readv(fd, vector, 3));
  SHOW(memory[3 * M - 1]);
  SHOW(memory[4 * M]);
  SHOW(memory[6 * M + 1]);
  SHOW(preadv(fd, vector, 3, 100));
  SHOW(lseek(fd, 0, SEEK_CUR));

  puts("-- memory that ends");
  mprotect(memory + 3 * M, M, PROT_NONE);
  SHOW(lseek(fd, 0, SEEK_SET));
  SHOW(read(fd, memory, 5 * M));
  SHOW(lseek(fd, 0, SEEK_CUR));
  SHOW(read(fd, memory + 3 * M, 5 * M));
  SHOW(lseek(fd, 0, SEEK_CUR));
  mprotect(memory + 3 * M, M, PROT_READ | PROT_WRITE);

  puts("-- writing");
  SHOW(pwrite(fd, memory, 3 * M, M));
  SHOW(lseek(fd, -M, SEEK_END));
  SHOW(writev(fd, vector, 3));
  struct stat st;
  fstat(fd, &st);
  SHOW(st.st_size);

  puts("-- devices");
  int zero = open("/dev/zero", O_RDWR), random = open("/dev/urandom", O_RDONLY);
  SHOW(read(zero, memory, 7 * M));
  SHOW(read(random, memory, 5 * M));
  SHOW(write(zero, memory, 9 * M));
  return 0;
}
