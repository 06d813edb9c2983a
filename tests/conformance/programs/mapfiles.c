/* Mapped files: shared between processes and with read and write, truncation under a mapping, protections, msync, mremap; programs that are written. */
#include "show.h"

static sigjmp_buf back;
static volatile int fault_signal, fault_code;
static void on_fault(int number, siginfo_t *info, void *context) { fault_signal = number; fault_code = info->si_code; siglongjmp(back, 1); }
static void touch(const char *what, volatile char *at, int writing) {
  if (sigsetjmp(back, 1)) { printf("%s: SIG%s code %d\n", what, sigabbrev_np(fault_signal), fault_code); return; }
  if (writing) *at = 'w'; else (void)*at;
  printf("%s: fine\n", what);
}

int main(int argc, char **argv) {
  char text[200] = ""; struct stat st; static char page[4096]; memset(page, 'p', sizeof page);
  if (argc > 1) return 7;
  umask(022); setvbuf(stdout, NULL, _IOLBF, 0); catch_info(SIGBUS, on_fault, 0); catch_info(SIGSEGV, on_fault, 0);
  int fd = open("f", O_RDWR | O_CREAT, 0600); for (int i = 0; i < 3; i++) write(fd, page, 4096); ftruncate(fd, 10000);
  puts("-- coherence");
  char *s = mmap(0, 16384, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), *p = mmap(0, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0), *again = mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 4096);
  s[0] = 'S'; pread(fd, text, 1, 0); printf("%c %c\n", text[0], p[0]); pwrite(fd, "W", 1, 1); printf("%c %c\n", s[1], p[1]); p[2] = 'P'; pread(fd, text, 1, 2); printf("%c %c\n", text[0], s[2]); s[4096] = 'A'; printf("%c\n", again[0]); CHILD("in a child", s[5] = 'C'; p[5] = 'X'); printf("%c %c\n", s[5], p[5]); int other = open("f", O_RDWR); pwrite(other, "O", 1, 6); printf("%c\n", s[6]); s[9999] = 'e'; s[10000] = 'h'; s[12000] = 'h'; fstat(fd, &st); SHOW(st.st_size); SHOW(pread(fd, text, 100, 9990)); ftruncate(fd, 12288); pread(fd, text, 1, 10000); SHOW(text[0] == 0 || text[0] == 'h');
  puts("-- beyond the end");
  touch("read in the last page", s + 12287, 0); touch("read past the last page", s + 12288, 0); touch("write past the last page", s + 12288, 1); ftruncate(fd, 4096); touch("after truncation", s + 4096, 0); touch("private after truncation", p + 8192, 0); touch("still there", s + 4095, 1); ftruncate(fd, 8192); touch("grown again", s + 4096, 0); SHOW(s[4096]); SHOW(s[4095] == 'w'); ftruncate(fd, 100); touch("tail of a page", s + 200, 1); SHOW(pread(fd, text, 200, 0)); SHOW(ftruncate(fd, 300)); pread(fd, text, 1, 200); SHOW(text[0] == 0 || text[0] == 'w'); write(open("f", O_WRONLY | O_TRUNC), "", 0); touch("truncated by open", s, 0); pwrite(fd, page, 4096, 0); touch("written again", s, 0); SHOW(read(fd, p + 12288, 1)); SHOW(write(fd, s + 12288, 1));
  puts("-- refusals");
  int ro = open("f", O_RDONLY), wo = open("f", O_WRONLY), ap = open("f", O_RDWR | O_APPEND), d = open(".", O_RDONLY), pipes[2]; pipe(pipes);
  TRUTH(mmap(0, 4096, PROT_WRITE, MAP_SHARED, ro, 0) == MAP_FAILED && errno == EACCES); TRUTH(mmap(0, 4096, PROT_READ, MAP_SHARED, wo, 0) == MAP_FAILED && errno == EACCES); TRUTH(mmap(0, 4096, PROT_READ, MAP_PRIVATE, wo, 0) == MAP_FAILED && errno == EACCES); TRUTH(mmap(0, 4096, PROT_NONE, MAP_PRIVATE, wo, 0) == MAP_FAILED && errno == EACCES); TRUTH(mmap(0, 4096, PROT_WRITE, MAP_PRIVATE, ro, 0) != MAP_FAILED); TRUTH(mmap(0, 4096, PROT_READ, MAP_SHARED, d, 0) == MAP_FAILED && errno == ENODEV); TRUTH(mmap(0, 4096, PROT_READ, MAP_SHARED, pipes[0], 0) == MAP_FAILED && errno == ENODEV); TRUTH(mmap(0, 4096, PROT_READ, MAP_SHARED, 99, 0) == MAP_FAILED && errno == EBADF); TRUTH(mmap(0, 0, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EINVAL); TRUTH(mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 100) == MAP_FAILED && errno == EINVAL); TRUTH(mmap(0, 4096, PROT_READ, 0, fd, 0) == MAP_FAILED && errno == EINVAL); TRUTH(mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 1L << 62) == MAP_FAILED); printf("%s\n", strerrorname_np(errno)); TRUTH(mmap(0, 4096, PROT_READ, MAP_SHARED_VALIDATE | 0x80000000, fd, 0) == MAP_FAILED && errno == EOPNOTSUPP); char *shared = mmap(0, 4096, PROT_READ, MAP_SHARED, ro, 0); SHOW(mprotect(shared, 4096, PROT_READ | PROT_WRITE)); char *copied = mmap(0, 4096, PROT_READ, MAP_PRIVATE, ro, 0); SHOW(mprotect(copied, 4096, PROT_READ | PROT_WRITE)); touch("private copy", copied, 1); TRUTH(mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ap, 0) != MAP_FAILED); touch("read only", shared, 1);
  puts("-- lasting");
  char *kept = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0); close(fd); unlink("f"); kept[9] = 'K'; SHOW(pread(ro, text, 1, 9)); SHOW(text[0] == 'K'); SHOW(munmap(kept, 4096)); touch("unmapped", kept, 0);
  puts("-- msync");
  SHOW(msync(s, 4096, MS_SYNC)); SHOW(msync(s, 4096, MS_ASYNC)); SHOW(msync(s, 4096, MS_INVALIDATE)); SHOW(msync(s, 4096, MS_SYNC | MS_ASYNC)); SHOW(msync(s + 1, 4096, MS_SYNC)); SHOW(msync(s, 4096, 8)); SHOW(msync(kept, 4096, MS_SYNC)); SHOW(msync(s, 0, MS_SYNC)); char *two = mmap(0, 3 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); munmap(two + 4096, 4096); SHOW(msync(two, 3 * 4096, MS_SYNC)); SHOW(msync(two, 4096, 0));
  puts("-- running programs");
  int from = open("/proc/self/exe", O_RDONLY), to = open("copy", O_WRONLY | O_CREAT, 0755); long n; static char buffer[65536]; while ((n = read(from, buffer, sizeof buffer)) > 0) write(to, buffer, n); 
  CHILD("open for writing", execl("./copy", "copy", "x", NULL); printf("%s\n", strerrorname_np(errno))); close(to); CHILD("closed", execl("./copy", "copy", "x", NULL); printf("%s\n", strerrorname_np(errno)));
  int go[2]; pipe(go); fflush(stdout); pid_t child = fork(); if (!child) { dup2(go[0], 0); close(go[1]); execl("/bin/cp", "cp", "/bin/cat", "mycat", NULL); _exit(1); } waitpid(child, NULL, 0); int ready[2]; pipe(ready); child = fork(); if (!child) { dup2(go[0], 0); dup2(ready[1], 1); close(go[1]); close(ready[0]); execl("./mycat", "mycat", NULL); _exit(1); } write(go[1], "x", 1); read(ready[0], text, 1);
  SHOW(open("mycat", O_WRONLY)); SHOW(open("mycat", O_RDWR)); SHOW(truncate("mycat", 0)); SHOW(open("mycat", O_WRONLY | O_TRUNC)); SHOW(close(open("mycat", O_RDONLY))); SHOW(chmod("mycat", 0700)); SHOW(access("mycat", W_OK)); SHOW(rename("mycat", "mycat2")); SHOW(close(open("mycat", O_WRONLY | O_CREAT, 0600))); SHOW(unlink("mycat2")); close(go[1]); kill(child, SIGKILL); waitpid(child, NULL, 0); SHOW(close(open("mycat", O_WRONLY)));
  put("script", "#!/bin/true\n"); chmod("script", 0755); int w = open("script", O_WRONLY); CHILD("a script open for writing", execl("./script", "script", NULL); printf("%s\n", strerrorname_np(errno))); close(w); CHILD("a script", execl("./script", "script", NULL); printf("%s\n", strerrorname_np(errno)));
  return 0;
}
