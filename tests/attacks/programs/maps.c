/* maps: asks the server to change the memory where the stub is, in every way; then writes there itself.
 *
 * Rows 10-12 of the attack table. Prints how many calls were refused, and how many bytes of the stub's text changed.
 */
#include "attack.h"
#include <sys/shm.h>

static int refused, granted;

static void ask(const char *name, long result, unsigned long wanted) {
  if (result < 0 && result > -4096)
    refused++;
  else if ((unsigned long)result == wanted || (result == 0 && wanted)) {
    granted++;
    printf("granted: %s %#lx\n", name, wanted);
  } else
    refused++; /* placed elsewhere: a hint not taken */
}

static void write_to(long place) {
  volatile char *at = (char *)(place == 0 ? STUB_BASE + 0x600 : COMMAND_BASE + COMMAND_IDENTITY);
  at[0] = at[0];
}

static void write_own(long unused) { /* what is not guarded */
  (void)unused;
  volatile char *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  at[0] = at[0];
}

static void write_text(long zero) { write_to(zero); }
static void write_command(long zero) { write_to(zero + 1); }

int main(void) {
  static const unsigned long places[] = {STUB_BASE,         STUB_BASE - 4096,      STUB_BASE + 4096,     DOORBELL_BASE,         COMMAND_BASE,
                                         SCRATCH_BASE,      VDSO_BASE,             CONTEXTS_BASE,        CONTEXTS_BASE + 65536, TASK_TOP - 4096,
                                         TASK_TOP,          0xffff800000000000,    0xffffffffff600000,   0xfffffffffffff000,    0x7feff0000000};
  static const unsigned long lengths[] = {8192, 1ul << 20, 1ul << 28, 1ul << 46, 1ul << 63, -4096ul};
  static char before[4096], after[4096];
  char *own = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memcpy(before, (char *)STUB_BASE, sizeof before);
  int file = open("/proc/self/exe", O_RDONLY);
  for (unsigned i = 0; i < sizeof places / sizeof *places; i++)
    for (unsigned j = 0; j < sizeof lengths / sizeof *lengths; j++) {
      unsigned long at = places[i], length = lengths[j];
      if (at + length <= STUB_BASE && at + length > at)
        continue;
      ask("mmap fixed", raw6(SYS_mmap, at, length, 7, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), at);
      ask("mmap noreplace", raw6(SYS_mmap, at, length, 7, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0), at);
      ask("mmap shared", raw6(SYS_mmap, at, length, 3, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0), at);
      ask("mmap file", raw6(SYS_mmap, at, length, 5, MAP_PRIVATE | MAP_FIXED, file, 0), at);
      ask("mmap hint", raw6(SYS_mmap, at, 4096, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), at);
      if (at >= STUB_BASE) {
        ask("munmap", raw(SYS_munmap, at, length, 0), at);
        ask("mprotect", raw(SYS_mprotect, at, length, 7), at);
        ask("madvise dontneed", raw(SYS_madvise, at, length, MADV_DONTNEED), at);
        ask("madvise dontfork", raw(SYS_madvise, at, length, MADV_DONTFORK), at);
        ask("madvise free", raw(SYS_madvise, at, length, 8), at);
        ask("mremap from", raw6(SYS_mremap, at, 4096, length, MREMAP_MAYMOVE, 0, 0), at);
      }
      ask("mremap to", raw6(SYS_mremap, (long)own, 4096, length, MREMAP_MAYMOVE | MREMAP_FIXED, at, 0), at);
      ask("mremap grow", raw6(SYS_mremap, (long)own, 4096, length, 0, 0, 0), at);
      ask("brk", raw(SYS_brk, at, 0, 0), at);
      ask("shmat", raw(SYS_shmat, 0, at, SHM_REMAP), at);
      ask("remap_file_pages", raw6(SYS_remap_file_pages, at, length, 0, 0, 0, 0), at);
      ask("pkey_mprotect", raw6(SYS_pkey_mprotect, at, length, 7, 0, 0, 0), at);
      ask("mseal", raw(462, at, length, 0), at);
      ask("process_madvise", raw6(SYS_process_madvise, -1, at, 1, MADV_DONTNEED, 0, 0), at);
      ask("set_robust_list", 0 * raw(SYS_set_robust_list, at, 24, 0) - 1, at);
      ask("map_shadow_stack", raw(453, at, length, 0), at);
    }
  memcpy(after, (char *)STUB_BASE, sizeof after);
  int changed = 0;
  for (unsigned i = 0; i < sizeof before; i++)
    changed += before[i] != after[i];
  raw(SYS_set_robust_list, 0, 24, 0);
  printf("refused: %d granted %d\n", refused, granted);
  printf("changed: %d\n", changed);
  in_child("write-own", write_own, 0);
  in_child("write-text", write_text, 0);
  in_child("write-command", write_command, 0);
  return 0;
}
