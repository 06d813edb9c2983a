/* entries FILE: enters the host's kernel by every instruction there is, to make FILE and to learn its process id.
 *
 * Rows 1, 2, 14 and 19 of the attack table. Prints "NAME: pid N" for what answered. Under Skerry FILE is made inside, or not at all.
 */
#include "attack.h"
#include <setjmp.h>

static const char *file;
static volatile int signals;
static sigjmp_buf *back;

static void caught(int signo) {
  (void)signo;
  signals++;
  siglongjmp(*back, 1);
}

static char *code_page(void *where) {
  return mmap(where, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | (where ? MAP_FIXED : 0), -1, 0);
}

typedef long entry(long number, long a, long b, long c);

/* mov rax, rdi; mov rdi, rsi; mov rsi, rdx; mov rdx, rcx; INSTRUCTION; ret -- with the instruction at a distance from the page's end */
static entry *assemble(const char *instruction, int length, int before_end) {
  static const char head[] = "\x48\x89\xf8\x48\x89\xf7\x48\x89\xd6\x48\x89\xca";
  char *at = code_page(NULL) + 4096 - before_end - (sizeof head - 1);
  memcpy(at, head, sizeof head - 1);
  memcpy(at + sizeof head - 1, instruction, length);
  at[sizeof head - 1 + length] = (char)0xc3;
  return (entry *)at;
}

static void try(const char *name, entry *call, long getpid_number, long creat_number) {
  sigjmp_buf here;
  back = &here;
  if (sigsetjmp(here, 1)) {
    printf("%s: signal\n", name);
    return;
  }
  long pid = call(getpid_number, 0, 0, 0);
  char *path = mmap((void *)0x20000000, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); /* where 32 bits reach */
  snprintf(path, 4096, "%s-%s", file, name);
  long made = call(creat_number, (long)path, 0600, 0);
  printf("%s: pid %ld file %ld\n", name, pid, made);
}

static long vsyscall(long number, long a, long b, long c) {
  (void)number, (void)c;
  return ((long (*)(long, long))0xffffffffff600400)(a, b); /* time */
}

/* 32-bit code at a low address: far call there, with the number in eax and the path in ebx */
static long compatible(const char *instruction, int length, long number, long b, long c) {
  static char *page;
  if (!page)
    page = code_page((void *)0x10000000);
  char *at = page;
  memcpy(at, instruction, length);
  at[length] = (char)0xcb; /* lret */
  long result;
  static struct {
    uint32_t offset;
    uint16_t segment;
  } __attribute__((packed)) far = {0x10000000, 0x23};
  char *stack = page + 8192 - 256;
  strcpy(page + 2048, (char *)(b ? b : (long)""));
  __asm__ volatile("mov %%rsp, %%r12; mov %4, %%rsp; lcall *%1; mov %%r12, %%rsp"
                   : "=a"(result)
                   : "m"(far), "a"(number), "c"(c), "r"(stack), "b"((long)page + 2048)
                   : "r12", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "rbp", "memory", "cc");
  return result;
}

static long compatible_int80(long n, long a, long b, long c) { return (void)c, compatible("\xcd\x80", 2, n, a, b); }
static long compatible_syscall(long n, long a, long b, long c) { return (void)c, compatible("\x0f\x05", 2, n, a, b); }
static long compatible_sysenter(long n, long a, long b, long c) { return (void)c, compatible("\x0f\x34", 2, n, a, b); }

static long trap_flag(long number, long a, long b, long c) {
  __asm__ volatile("pushf; orq $0x100, (%%rsp); popf" ::: "memory", "cc");
  return raw(number, a, b, c);
}

static long alignment_flag(long number, long a, long b, long c) {
  __asm__ volatile("pushf; orq $0x40000, (%%rsp); popf" ::: "memory", "cc");
  long result = raw(number, a, b, c);
  __asm__ volatile("pushf; andq $~0x40000, (%%rsp); popf" ::: "memory", "cc");
  return result;
}

static long direction_flag(long number, long a, long b, long c) {
  __asm__ volatile("std" ::: "cc");
  long result = raw(number, a, b, c);
  __asm__ volatile("cld" ::: "cc");
  return result;
}

static long no_stack(long number, long a, long b, long c) { /* the stack pointer is nobody's */
  long result;
  __asm__ volatile("mov %%rsp, %%r12; mov $0x1234567, %%rsp; syscall; mov %%r12, %%rsp"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c)
                   : "r12", "rcx", "r11", "memory");
  return result;
}

static long stack_in_frames(long number, long a, long b, long c) { /* the stack pointer is in the area of the trap frames */
  long result;
  __asm__ volatile("mov %%rsp, %%r12; mov $0x7ff00100f000, %%rsp; syscall; mov %%r12, %%rsp"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c)
                   : "r12", "rcx", "r11", "memory");
  return result;
}

static long bases(long number, long a, long b, long c) { /* GS and FS point into the stub */
  unsigned long fs;
  __asm__ volatile("rdfsbase %0" : "=r"(fs));
  __asm__ volatile("wrgsbase %0; wrfsbase %0" ::"r"(0x7ff000000000ul));
  long result = raw(number, a, b, c);
  __asm__ volatile("wrfsbase %0" ::"r"(fs));
  return result;
}

struct trial {
  const char *name;
  entry *call;
  long getpid_number, creat_number;
};
static struct trial trials[32];

static void one(long index) {
  struct sigaction action = {.sa_handler = caught, .sa_flags = SA_NODEFER | SA_ONSTACK};
  stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
  sigaltstack(&stack, NULL);
  for (int signo = 1; signo < 32; signo++)
    sigaction(signo, &action, NULL);
  try(trials[index].name, trials[index].call, trials[index].getpid_number, trials[index].creat_number);
}

int main(int count, char **arguments) {
  file = count > 1 ? arguments[1] : "/nonexistent/file";
  struct trial all[] = {
      {"syscall", assemble("\x0f\x05", 2, 100), 39, 85},
      {"across-pages", assemble("\x0f\x05", 2, 1), 39, 85},
      {"prefixed", assemble("\xf3\x48\x0f\x05", 4, 100), 39, 85},
      {"x32", assemble("\x0f\x05", 2, 100), 0x40000000 + 39, 0x40000000 + 85},
      {"high-bits", assemble("\x0f\x05", 2, 100), (1l << 32) + 39, (1l << 40) + 85},
      {"int80", assemble("\x53\x48\x89\xfb\x48\x89\xf1\xcd\x80\x5b", 10, 100), 20, 8},
      {"sysenter", assemble("\x53\x48\x89\xfb\x48\x89\xf1\x0f\x34\x5b", 10, 100), 20, 8},
      {"int81", assemble("\xcd\x81", 2, 100), 20, 8},
      {"int3", assemble("\xcc", 1, 100), 39, 85},
      {"icebp", assemble("\xf1", 1, 100), 39, 85},
      {"hlt", assemble("\xf4", 1, 100), 39, 85},
      {"vsyscall", vsyscall, 0, 0},
      {"far-int80", compatible_int80, 20, 8},
      {"far-syscall", compatible_syscall, 20, 8},
      {"far-sysenter", compatible_sysenter, 20, 8},
      {"trap-flag", trap_flag, 39, 85},
      {"alignment-flag", alignment_flag, 39, 85},
      {"direction-flag", direction_flag, 39, 85},
      {"no-stack", no_stack, 110, 85},
      {"stack-in-frames", stack_in_frames, 110, 85},
      {"bases", bases, 39, 85},
  };
  memcpy(trials, all, sizeof all);
  printf("self: pid %d\n", getpid());
  for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
    in_child("end-of", one, i);
  return 0;
}
