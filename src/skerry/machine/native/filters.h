/* The two seccomp filters, as constants in the stub's sealed text.
 *
 * The mapper's stands on every thread of a guest process; a guest context adds its own before it runs its first guest instruction. The host
 * evaluates both and obeys the stricter answer. A call from outside the stub is a trap, whatever it is.
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>

#define DATA(field) offsetof(struct seccomp_data, field)
#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, value)
#define IF_EQUAL(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
#define IF_BELOW(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, value, no, yes)

#define STUB_HIGH (STUB_BASE >> 32)
#define STUB_LOW (STUB_BASE & 0xffffffff)

/* Instructions 0-5: jump to TRAP (given as a distance) unless the call comes from the stub's text; 6-7: kill on a foreign architecture. */
#define FROM_STUB_ONLY(trap)                                                                                                                 \
  LOAD(DATA(instruction_pointer) + 4), IF_EQUAL(STUB_HIGH, 0, trap), LOAD(DATA(instruction_pointer)),                                        \
      IF_BELOW(STUB_LOW + STUB_SIZE, 0, trap - 2), LOAD(DATA(arch)), IF_EQUAL(AUDIT_ARCH_X86_64, 1, 0), RETURN(SECCOMP_RET_KILL_PROCESS),    \
      LOAD(DATA(nr))

static const struct sock_filter mapper_filter[] = {
    FROM_STUB_ONLY(22),        /* 0-7; the trap is instruction 24 */
    IF_EQUAL(202, 14, 0),      /* 8 futex */
    IF_EQUAL(15, 13, 0),       /* rt_sigreturn */
    IF_EQUAL(9, 12, 0),        /* mmap */
    IF_EQUAL(11, 11, 0),       /* munmap */
    IF_EQUAL(10, 10, 0),       /* mprotect */
    IF_EQUAL(47, 9, 0),        /* recvmsg */
    IF_EQUAL(44, 8, 0),        /* sendto */
    IF_EQUAL(3, 7, 0),         /* close */
    IF_EQUAL(25, 6, 0),        /* mremap */
    IF_EQUAL(28, 5, 0),        /* madvise */
    IF_EQUAL(56, 4, 0),        /* clone */
    IF_EQUAL(60, 3, 0),        /* exit */
    IF_EQUAL(231, 2, 0),       /* exit_group */
    BPF_JUMP(BPF_JMP | BPF_JA, 3, 0, 0), /* 21: the rare ones, instruction 25 */
    RETURN(SECCOMP_RET_ALLOW), /* 22: padding, never reached by fall-through */
    RETURN(SECCOMP_RET_ALLOW), /* 23 */
    RETURN(SECCOMP_RET_TRAP),  /* 24 */
    IF_EQUAL(33, 4, 0),        /* 25 dup2 */
    IF_EQUAL(131, 3, 0),       /* sigaltstack */
    IF_EQUAL(157, 2, 0),       /* prctl */
    IF_EQUAL(317, 1, 0),       /* seccomp */
    RETURN(SECCOMP_RET_KILL_PROCESS),
    RETURN(SECCOMP_RET_ALLOW), /* 30 */
};

static const struct sock_filter context_filter[] = {
    FROM_STUB_ONLY(13),        /* 0-7; the trap is instruction 15 */
    IF_EQUAL(15, 5, 0),        /* 8 rt_sigreturn */
    IF_EQUAL(202, 0, 5),       /* futex on a word of the stub's pages, wait or wake, nothing else */
    LOAD(DATA(args[1])),       /* 10 */
    IF_BELOW(2, 0, 3),         /* FUTEX_WAIT, FUTEX_WAKE, shared */
    LOAD(DATA(args[0]) + 4),   /* 12 */
    IF_EQUAL(STUB_HIGH, 0, 1), /* 13 */
    RETURN(SECCOMP_RET_ALLOW), /* 14 */
    RETURN(SECCOMP_RET_TRAP),  /* 15 */
};

static const struct sock_fprog mapper_program = {sizeof mapper_filter / sizeof *mapper_filter, (struct sock_filter *)mapper_filter};
__attribute__((used)) const struct sock_fprog context_program = {sizeof context_filter / sizeof *context_filter,
                                                                 (struct sock_filter *)context_filter};
