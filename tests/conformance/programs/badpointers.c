/* EFAULT: the system never falls over a program's bad pointer. */
#include "show.h"
#include <sys/uio.h>

int main(void) {
  int p[2]; pipe(p);
  int fd = open("f", O_RDWR | O_CREAT | O_TRUNC, 0600); write(fd, "0123456789", 10); lseek(fd, 0, SEEK_SET);
  void *bad[] = {(void *)8, (void *)0x8000000000000000, (void *)0xffffffffffffff00, (void *)0x7ff000000000, (void *)0x7ff000300000, (void *)0x7ffffffff000};
  char *edge = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); munmap(edge + 4096, 4096);
  char *readonly = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (int i = 0; i < 3; i++) {
    void *at = bad[i];
    printf("-- %d\n", i);
    SHOW(syscall(SYS_read, fd, at, 10)); SHOW(syscall(SYS_write, p[1], at, 10)); SHOW(syscall(SYS_open, at, 0)); SHOW(syscall(SYS_stat, "f", at)); SHOW(syscall(SYS_stat, at, at)); SHOW(syscall(SYS_pipe, at)); SHOW(syscall(SYS_getcwd, at, 4096)); SHOW(syscall(SYS_readlink, "/proc/self/exe", at, 100)); SHOW(syscall(SYS_uname, at)); SHOW(syscall(SYS_nanosleep, at, 0)); SHOW(syscall(SYS_poll, at, 1, 0)); SHOW(syscall(SYS_writev, fd, at, 1)); SHOW(syscall(SYS_rt_sigaction, SIGUSR1, at, 0, 8)); SHOW(syscall(SYS_rt_sigprocmask, SIG_BLOCK, at, 0, 8)); SHOW(syscall(SYS_execve, at, 0, 0)); SHOW(syscall(SYS_execve, "/bin/true", at, 0)); SHOW(syscall(SYS_futex, at, 0, 0, 0, 0, 0) == -1); SHOW(syscall(SYS_getrlimit, 7, at)); SHOW(syscall(SYS_rename, "f", at)); SHOW(syscall(SYS_mkdir, at, 0700)); SHOW(syscall(SYS_getrandom, at, 16, 0)); SHOW(syscall(SYS_times, at)); SHOW(syscall(SYS_clock_gettime, 2, at)); SHOW(syscall(SYS_sigaltstack, at, 0)); SHOW(syscall(SYS_select, 3, at, 0, 0, 0)); SHOW(syscall(SYS_getdents64, fd, at, 100)); SHOW(syscall(SYS_fstat, fd, at)); SHOW(syscall(SYS_utimensat, AT_FDCWD, "f", at, 0)); SHOW(syscall(SYS_setitimer, 0, at, 0)); SHOW(syscall(SYS_sysinfo, at)); SHOW(syscall(SYS_getrusage, 0, at));
    pid_t child = fork(); if (child == 0) _exit(3);
    siginfo_t info; waitid(P_PID, child, &info, WEXITED | WNOWAIT); SHOW(syscall(SYS_wait4, child, at, 0, 0)); waitpid(child, NULL, WNOHANG);
  }
  puts("-- the stub's pages");
  for (int i = 3; i < 6; i++) { pid_t c = fork(); if (c == 0) { long r = syscall(SYS_read, fd, bad[i], 10); _exit(r == -1 && errno == EFAULT ? 0 : 1); } int s; waitpid(c, &s, 0); show_status("read into them", s); c = fork(); if (c == 0) { long r = syscall(SYS_munmap, bad[i], 4096), m = (long)mmap(bad[i], 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0); _exit((r == -1 || r == 0) && m == -2 ? 1 : 0); } waitpid(c, &s, 0); show_status("unmap them", s); }
  puts("-- edges");
  memset(edge, 'e', 4096); SHOW(read(fd, edge + 4090, 20)); lseek(fd, 0, SEEK_SET); SHOW(read(fd, edge + 4086, 10)); SHOW(write(p[1], edge + 4090, 6)); SHOW(write(p[1], edge + 4092, 10) > 0 || errno == EFAULT); lseek(fd, 0, SEEK_SET); SHOW(read(fd, readonly, 5)); SHOW(write(p[1], readonly, 5)); strcpy(edge + 4094, "f"); SHOW(access(edge + 4094, F_OK)); edge[4095] = 'x'; SHOW(access(edge + 4095, F_OK)); edge[4094] = 0; SHOW(access(edge + 4094, F_OK)); struct iovec parts[2] = {{edge, 4}, {(void *)8, 4}}; SHOW(writev(fd, parts, 2)); SHOW(pipe((int *)readonly)); SHOW(stat("f", (struct stat *)readonly)); SHOW(read(fd, (void *)8, 0)); unlink("f");
  return 0;
}
