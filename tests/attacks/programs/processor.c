/* processor FILE: takes the stub's own memory from it by protection keys, and brings registers into use that the stub does not keep (AMX).
 *
 * Row 13 of the attack table, and what newer processors add. Each attack in a child: "NAME: exit N", "NAME: signal N", "NAME: not here".
 */
#include "attack.h"
#include <cpuid.h>
#include <immintrin.h>

static const char *file;

static int has_keys(void) { /* CPUID.7.0:ECX.OSPKE */
  unsigned a, b, c = 0, d;
  __cpuid_count(7, 0, a, b, c, d);
  return c >> 4 & 1;
}

static int has_tiles(void) { /* CPUID.7.0:EDX.AMX-TILE */
  unsigned a, b, c, d = 0;
  __cpuid_count(7, 0, a, b, c, d);
  return d >> 24 & 1;
}

static inline void wrpkru(unsigned value) { __asm__ volatile("wrpkru" : : "a"(value), "c"(0), "d"(0) : "memory"); }

static inline unsigned rdpkru(void) {
  unsigned value, high;
  __asm__ volatile("rdpkru" : "=a"(value), "=d"(high) : "c"(0));
  return value;
}

/* getpid and creat with all data forbidden: nothing may be touched between the two writes of PKRU */
static int forbidden(unsigned mask) {
  long number = SYS_getppid, made = SYS_creat;
  unsigned open = rdpkru();
  register long path __asm__("r12") = (long)file;
  __asm__ volatile("mov %3, %%eax\n xor %%ecx, %%ecx\n xor %%edx, %%edx\n wrpkru\n"
                   "mov %0, %%rax\n syscall\n mov %%rax, %%r13\n"
                   "mov %1, %%rax\n mov %%r12, %%rdi\n mov $0600, %%esi\n syscall\n mov %%rax, %%r14\n"
                   "mov %4, %%eax\n xor %%ecx, %%ecx\n xor %%edx, %%edx\n wrpkru\n mov %%r13, %0\n mov %%r14, %1\n"
                   : "+r"(number), "+r"(made)
                   : "r"(path), "r"(mask), "r"(open)
                   : "rax", "rcx", "rdx", "rdi", "rsi", "r11", "r13", "r14", "memory");
  return made >= 0 && number >= 0 ? 7 : 1;
}

static int kept(void) { /* the register must survive a call, if programs have it at all */
  wrpkru(0x55555550);
  syscall(SYS_getppid);
  return rdpkru() == 0x55555550 ? 7 : 8;
}

__attribute__((target("amx-tile"))) static int tiles(int ask) {
  if (ask && syscall(SYS_arch_prctl, 0x1023, 18)) /* ARCH_REQ_XCOMP_PERM, XTILEDATA */
    return 9;
  char config[64] __attribute__((aligned(64))) = {1};
  static char data[1024] __attribute__((aligned(64)));
  config[16] = 64;
  config[48] = 16;
  memset(data, 5, sizeof data);
  _tile_loadconfig(config);
  _tile_loadd(0, data, 64);
  for (int i = 0; i < 1000; i++)
    syscall(SYS_getppid);
  memset(data, 0, sizeof data);
  _tile_stored(0, data, 64);
  return data[1023] == 5 ? 7 : 8;
}

static int attack(int which) {
  switch (which) {
  case 0: return forbidden(0xffffffff); /* nothing may be read or written */
  case 1: return forbidden(0xaaaaaaaa); /* nothing may be written */
  case 2: return kept();
  case 3: return tiles(0);
  default: return tiles(1);
  }
}

int main(int count, char **words) {
  static const char *names[] = {"all-forbidden", "writes-forbidden", "key-register", "tiles-without-leave", "tiles"};
  file = count > 1 ? words[1] : "/tmp/made";
  for (int i = 0; i < 5; i++) {
    if (i < 3 ? !has_keys() : !has_tiles()) {
      printf("%s: not here\n", names[i]);
      continue;
    }
    int status = 0;
    fflush(stdout);
    pid_t child = fork();
    if (!child)
      _exit(attack(i));
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status))
      printf("%s: signal %d\n", names[i], WTERMSIG(status));
    else
      printf("%s: exit %d\n", names[i], WEXITSTATUS(status));
  }
  return 0;
}
