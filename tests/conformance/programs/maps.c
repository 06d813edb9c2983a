/* Memory: private and shared mappings across fork, file mappings, protection, holes, growth, the break. */
#include "show.h"

static sigjmp_buf back;
static void fault(int number) { siglongjmp(back, number); }
static const char *touch(volatile char *at, int write) {
  int number = sigsetjmp(back, 1);
  if (number) return number == SIGBUS ? "SIGBUS" : "SIGSEGV";
  if (write) *at = 'w'; else (void)*at;
  return "ok";
}
#define TOUCH(at, write) printf("%s %s: %s\n", write ? "write" : "read", #at, touch((volatile char *)(at), write))
static char data_word[4096] = "data";

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  catch(SIGSEGV, fault, SA_NODEFER); catch(SIGBUS, fault, SA_NODEFER);
  int both = PROT_READ | PROT_WRITE, anonymous = MAP_PRIVATE | MAP_ANONYMOUS;

  puts("-- across fork");
  char *private_ = mmap(NULL, 8192, both, anonymous, -1, 0), *shared = mmap(NULL, 8192, both, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  strcpy(private_, "parent"); strcpy(shared, "parent");
  CHILD("child", { printf("%s %s %s\n", private_, shared, data_word); strcpy(private_, "child"); strcpy(shared, "child"); strcpy(data_word, "child"); strcpy(shared + 4096, "second page"); });
  printf("%s %s %s %s\n", private_, shared, data_word, shared + 4096);
  strcpy(private_, "one");
  fflush(stdout); pid_t child = fork();
  if (child == 0) { usleep(20000); printf("%s\n", private_); fflush(stdout); _exit(0); }
  strcpy(private_, "two"); waitpid(child, NULL, 0); puts(private_);
  CHILD("grandchild", { strcpy(private_, "c"); CHILD("inner", { puts(private_); strcpy(private_, "g"); strcpy(shared, "g"); }); printf("%s %s\n", private_, shared); });
  printf("%s %s\n", private_, shared);

  puts("-- a file");
  int fd = open("mapped", O_RDWR | O_CREAT | O_TRUNC, 0600); char text[32] = "";
  ftruncate(fd, 10000); pwrite(fd, "beginning", 9, 0); pwrite(fd, "second", 6, 4096);
  char *file = mmap(NULL, 12288, both, MAP_SHARED, fd, 0), *copy = mmap(NULL, 12288, both, MAP_PRIVATE, fd, 0), *later = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 4096);
  printf("%.9s %.9s %.6s\n", file, copy, later); memcpy(file, "BEGIN", 5); pread(fd, text, 9, 0); printf("%s\n", text); pwrite(fd, "xy", 2, 1); printf("%.9s\n", file); memcpy(copy + 4096, "PRIVATE", 7); pread(fd, text, 7, 4096); printf("%.6s %.7s\n", text, copy + 4096); file[4096] = 'S'; printf("%.6s %.7s\n", later, copy + 4096); printf("%d\n", file[10001]); SHOW(msync(file, 8192, MS_SYNC)); SHOW(msync(file + 1, 10, MS_SYNC));
  CHILD("file shared with a child", { memcpy(file, "child", 5); memcpy(copy, "COPY", 4); }); printf("%.9s %.9s\n", file, copy + 0);
  int again = open("mapped", O_RDONLY); pread(again, text, 9, 0); printf("%.9s\n", text);
  char *ro = mmap(NULL, 4096, PROT_READ, MAP_SHARED, again, 0); TOUCH(ro, 0); TOUCH(ro, 1); SHOW(mprotect(ro, 4096, both)); TRUTH(mmap(NULL, 4096, both, MAP_SHARED, again, 0) == MAP_FAILED && errno == EACCES); char *rw = mmap(NULL, 4096, both, MAP_PRIVATE, again, 0); TOUCH(rw, 1);
  close(fd); close(again); printf("%.5s\n", file); unlink("mapped"); file[1] = '!'; printf("%.5s\n", file);
  fd = open("short", O_RDWR | O_CREAT | O_TRUNC, 0600); ftruncate(fd, 100); char *end = mmap(NULL, 8192, both, MAP_SHARED, fd, 0); TOUCH(end + 99, 1); TOUCH(end + 4095, 1); TOUCH(end + 4096, 0); ftruncate(fd, 8192); TOUCH(end + 4096, 0); SHOW(end[4096]); ftruncate(fd, 0); TOUCH(end, 0); close(fd); unlink("short");
  int append = open("wo", O_WRONLY | O_CREAT, 0600); TRUTH(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, append, 0) == MAP_FAILED && errno == EACCES);

  puts("-- protection");
  char *pages = mmap(NULL, 16384, both, anonymous, -1, 0); memset(pages, 'p', 16384);
  SHOW(mprotect(pages + 4096, 4096, PROT_READ)); TOUCH(pages + 4096, 0); TOUCH(pages + 4096, 1); TOUCH(pages + 8192, 1); SHOW(mprotect(pages + 4096, 4096, PROT_NONE)); TOUCH(pages + 4096, 0); SHOW(mprotect(pages + 4096, 4096, both)); TOUCH(pages + 4096, 1); SHOW(pages[4097]); SHOW(mprotect(pages + 1, 1, both)); SHOW(mprotect(pages, 4096, 0x1000));
  SHOW(munmap(pages + 4096, 4096)); TOUCH(pages + 4096, 0); TOUCH(pages + 8192, 0); SHOW(mprotect(pages, 16384, PROT_READ)); SHOW(munmap(pages, 16384)); SHOW(munmap(pages, 16384)); TOUCH(pages + 8192, 0); SHOW(munmap(pages + 1, 4096)); SHOW(munmap(pages, 0));
  char *code = mmap(NULL, 4096, both, anonymous, -1, 0); memcpy(code, "\xb8\x2a\x00\x00\x00\xc3", 6); SHOW(mprotect(code, 4096, PROT_READ | PROT_EXEC)); SHOW(((int (*)(void))code)());

  puts("-- places");
  char *area = mmap(NULL, 16384, PROT_NONE, anonymous, -1, 0); TRUTH(mmap(area + 4096, 4096, both, anonymous | MAP_FIXED, -1, 0) == area + 4096); TOUCH(area + 4096, 1); TOUCH(area, 0); TRUTH(mmap(area + 4096, 4096, both, anonymous | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED && errno == EEXIST); TRUTH(mmap(area + 1, 4096, both, anonymous | MAP_FIXED, -1, 0) == MAP_FAILED && errno == EINVAL);
  munmap(area, 16384); TRUTH(mmap(area, 4096, both, anonymous, -1, 0) == area);
  TRUTH(mmap(NULL, 0, both, anonymous, -1, 0) == MAP_FAILED && errno == EINVAL); TRUTH(mmap(NULL, 4096, both, MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == EINVAL); TRUTH(mmap(NULL, 4096, both, MAP_PRIVATE, 99, 0) == MAP_FAILED && errno == EBADF); TRUTH(mmap(NULL, 4096, both, MAP_PRIVATE, append, 1) == MAP_FAILED && errno == EINVAL); TRUTH(mmap(NULL, 1ul << 48, both, anonymous, -1, 0) == MAP_FAILED && errno == ENOMEM);
  int ends[2]; pipe(ends); TRUTH(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, ends[0], 0) == MAP_FAILED && errno == ENODEV);
  int zero = open("/dev/zero", O_RDWR); char *zeros = mmap(NULL, 4096, both, MAP_PRIVATE, zero, 0); TRUTH(zeros != MAP_FAILED && zeros[5] == 0);

  puts("-- mremap, madvise");
  char *grow = mmap(NULL, 8192, both, anonymous, -1, 0); memset(grow, 'g', 8192); char *grown = mremap(grow, 8192, 1 << 20, MREMAP_MAYMOVE); TRUTH(grown != MAP_FAILED && grown[8191] == 'g' && grown[8192] == 0 && grown[(1 << 20) - 1] == 0); grown = mremap(grown, 1 << 20, 4096, 0); TRUTH(grown != MAP_FAILED && grown[0] == 'g'); TOUCH(grown + 4096, 0); char *target = mmap(NULL, 4096, PROT_NONE, anonymous, -1, 0); TRUTH(mremap(grown, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, target) == target && target[9] == 'g'); TOUCH(grown, 0); TRUTH(mremap(target, 4096, 8192, 99) == MAP_FAILED && errno == EINVAL); TRUTH(mremap((char *)0x10000, 4096, 8192, 0) == MAP_FAILED && errno == EFAULT);
  SHOW(madvise(target, 4096, MADV_DONTNEED)); SHOW(target[9]); SHOW(madvise(target + 1, 4096, MADV_DONTNEED)); SHOW(madvise(target, 4096, 9999)); SHOW(madvise(target, 4096, MADV_WILLNEED));

  puts("-- the break");
  char *old = sbrk(0); SHOW(brk(old + 100000)); TRUTH(sbrk(0) == old + 100000); memset(old, 'b', 100000); SHOW(brk(old)); SHOW(brk(old + 8192)); SHOW(old[5000]); CHILD("break in a child", { SHOW(brk((char *)sbrk(0) + 65536)); old[0] = 'c'; }); SHOW(old[0]);

  puts("-- large");
  long size = 64l << 20; char *large = mmap(NULL, size, both, anonymous | MAP_NORESERVE, -1, 0); for (long i = 0; i < size; i += 4096) large[i] = (char)(i >> 12); long sum = 0; for (long i = 0; i < size; i += 4096) sum += (unsigned char)large[i]; SHOW(sum); CHILD("large in a child", { long s = 0; for (long i = 0; i < size; i += 4096) { s += (unsigned char)large[i]; large[i] = 0; } SHOW(s); }); SHOW(large[4096]); SHOW(munmap(large, size));
  for (int i = 0; i < 2000; i++) { char *each = mmap(NULL, 4096, i & 1 ? PROT_READ : both, anonymous, -1, 0); if (each == MAP_FAILED) { puts("no more"); break; } }
  puts("2000 mappings");
  unlink("wo");
  return 0;
}
