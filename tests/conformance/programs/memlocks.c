/* mlock and its kin, under RLIMIT_MEMLOCK. The capability to lock more is given up first. */
#include "show.h"
#include <linux/capability.h>

int main(void) {
  struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct none[2] = {{0}};
  SHOW(syscall(SYS_capset, &head, none));
  struct rlimit limit = {16384, 16384};
  SHOW(setrlimit(RLIMIT_MEMLOCK, &limit));
  char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  SHOW(mlock(p, 8192));
  SHOW(mlock(p + 8192, 8192));
  SHOW(mlock(p, 8192)); /* what is locked counts once */
  SHOW(mlock(p + 16384, 1));
  SHOW(munlock(p, 4096));
  SHOW(mlock(p + 16384, 1));
  SHOW(mlock(p + 32768, 1));
  SHOW(mlock(p, 1 << 21));
  SHOW(munlockall());
  SHOW(mlock(p, 16384));
  SHOW(munmap(p, 16384));
  SHOW(mlock(p + 16384, 16384));
  SHOW(mlock(p, 4096));
  SHOW(munlock(p, 4096));
  SHOW(mlockall(MCL_CURRENT));
  SHOW(mlockall(0));
  SHOW(mlockall(99));
  SHOW(mlock2(p + 65536, 4096, 8));
  limit.rlim_cur = 0;
  SHOW(setrlimit(RLIMIT_MEMLOCK, &limit));
  SHOW(mlock(p + 65536, 4096));
  SHOW(mlockall(MCL_CURRENT));
  SHOW(mlockall(MCL_FUTURE));
  return 0;
}
