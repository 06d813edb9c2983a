/* A system call keeps all registers but rax, rcx and r11; a signal keeps every one, vectors included. */
#include "show.h"
#include <asm/prctl.h>
#include <immintrin.h>

static volatile int handled;
static void spoil(int number) {
  (void)number;
  __m128i junk = _mm_set1_epi32((int)0xdeadbeef);
  __asm__ volatile("movdqa %0, %%xmm0; movdqa %0, %%xmm7; movdqa %0, %%xmm15; fninit; fldpi; fldpi" ::"m"(junk) : "xmm0", "xmm7", "xmm15");
  unsigned mxcsr = 0x7f80;
  __asm__ volatile("ldmxcsr %0" ::"m"(mxcsr));
  handled++;
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  uint64_t before[12], after[12];
  for (int i = 0; i < 12; i++) before[i] = 0x1111111111111111ull * (unsigned)(i + 1);
  for (int call = 0; call < 3; call++) {
    static const long numbers[] = {SYS_getppid, SYS_getuid, SYS_sched_yield};
    long number = numbers[call];
    __asm__ volatile("push %%rbp; mov %[n], %%rax; mov (%[b]), %%rdi; mov 8(%[b]), %%rsi; mov 16(%[b]), %%rdx; mov 24(%[b]), %%r10; mov 32(%[b]), %%r8; mov 40(%[b]), %%r9; mov 48(%[b]), %%r12; mov 56(%[b]), %%r13; mov 64(%[b]), %%r14; mov 72(%[b]), %%rbp;"
                     "push %[a]; syscall; pop %%r11; mov %%rdi, (%%r11); mov %%rsi, 8(%%r11); mov %%rdx, 16(%%r11); mov %%r10, 24(%%r11); mov %%r8, 32(%%r11); mov %%r9, 40(%%r11); mov %%r12, 48(%%r11); mov %%r13, 56(%%r11); mov %%r14, 64(%%r11); mov %%rbp, 72(%%r11); pop %%rbp"
                     : : [n] "m"(number), [b] "b"(before), [a] "r"((uint64_t)after) : "rax", "rcx", "rdx", "rdi", "rsi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "memory");
    TRUTH(memcmp(before, after, 80) == 0);
  }
  uint64_t rcx, rip, r11, flags; __asm__ volatile("pushfq; pop %2; mov $110, %%eax; syscall; 1: mov %%rcx, %0; lea 1b(%%rip), %1; mov %%r11, %3" : "=&r"(rcx), "=&r"(rip), "=&r"(flags), "=&r"(r11) : : "rax", "rcx", "r11", "memory");
  TRUTH(rcx == rip); TRUTH((r11 & ~0x10000ull) == (flags & ~0x10000ull));
  catch(SIGALRM, spoil, 0);
  struct itimerval timer = {{0, 1000}, {0, 1000}}; setitimer(ITIMER_REAL, &timer, NULL);
  __m128i value = _mm_set_epi32(1, 2, 3, 4); long wrong = 0, rounds = 0;
  while (handled < 50) {
    char out[48]; uint64_t red = 0x5ca1ab1e;
    __asm__ volatile("movdqa %1, %%xmm0; movdqa %1, %%xmm7; movdqa %1, %%xmm15; fninit; fld1; mov %2, -64(%%rsp); mov $20000, %%ecx; 1: dec %%ecx; jnz 1b; mov -64(%%rsp), %2; movdqu %%xmm0, %0; movdqu %%xmm7, 16+%0; movdqu %%xmm15, 32+%0" : "=m"(out), "+m"(value), "+r"(red) : : "xmm0", "xmm7", "xmm15", "rcx", "memory");
    double top; __asm__ volatile("fstpl %0" : "=m"(top));
    unsigned mxcsr; __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    if (memcmp(out, &value, 16) || memcmp(out + 16, &value, 16) || memcmp(out + 32, &value, 16) || red != 0x5ca1ab1e || top != 1.0 || (mxcsr & 0x7f80) != 0x1f80) wrong++;
    rounds++;
  }
  setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, NULL);
  SHOW(wrong); TRUTH(rounds > 10);
  unsigned long fs = 0, gs = 1; SHOW(syscall(SYS_arch_prctl, ARCH_GET_FS, &fs)); TRUTH(fs == (unsigned long)pthread_self()); SHOW(syscall(SYS_arch_prctl, ARCH_SET_GS, 0x12345678)); SHOW(syscall(SYS_arch_prctl, ARCH_GET_GS, &gs)); SHOW(gs); sched_yield(); SHOW(syscall(SYS_arch_prctl, ARCH_GET_GS, &gs)); SHOW(gs); CHILD("gs in a child", { syscall(SYS_arch_prctl, ARCH_GET_GS, &gs); SHOW(gs); }); SHOW(syscall(SYS_arch_prctl, 0x9999, 0)); SHOW(syscall(SYS_arch_prctl, ARCH_SET_FS, 0xffff800000000000));
  if (__builtin_cpu_supports("avx2")) { char in[32], out[32]; memset(in, 0x5a, 32); __asm__ volatile("vmovdqu %1, %%ymm9; mov $24, %%eax; syscall; vmovdqu %%ymm9, %0" : "=m"(out) : "m"(in) : "rax", "rcx", "r11", "xmm9", "memory"); TRUTH(memcmp(in, out, 32) == 0); } else puts("memcmp(in, out, 32) == 0: yes");
  return 0;
}
