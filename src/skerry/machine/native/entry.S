/* The mapper and the start of a context: code without a stack.
 *
 * The mapper of a guest process shares its memory with hostile threads. It reads commands from pages that only the kernel can write, keeps
 * what it must remember in registers, and answers over its socket with a message whose *length* is the result (1: done; 1 + errno: failed),
 * so that no byte of the answer is ever in memory that a guest could change. Descriptor 0 is the socket; descriptors that come with a
 * command are 1, 2, ... in order, since the table is empty otherwise.
 */
#include "layout.h"

#define NR_MMAP 9
#define NR_MUNMAP 11
#define NR_RT_SIGRETURN 15
#define NR_DUP2 33
#define NR_SENDTO 44
#define NR_RECVMSG 47
#define NR_CLONE 56
#define NR_CLOSE 3
#define NR_EXIT 60
#define NR_SIGALTSTACK 131
#define NR_PRCTL 157
#define NR_EXIT_GROUP 231
#define NR_SECCOMP 317

#define THREAD_FLAGS 0x50f00 /* CLONE_VM FS FILES SIGHAND THREAD SYSVSEM */
#define FORK_FLAGS 0x8011    /* CLONE_PARENT SIGCHLD */
#define MSG_NOSIGNAL 0x4000
#define MAX_ERRNO 4095

	.text
	.globl stub_entry
stub_entry:
	mov %rsp, %rdi
	and $-16, %rsp
	call stub_boot

	.globl stub_restore
stub_restore:
	mov $NR_RT_SIGRETURN, %eax
	syscall
	ud2

	.globl stub_strip
stub_strip:				/* drop the stack that exec gave, greet the kernel, become the mapper */
	mov $NR_MUNMAP, %eax
	mov $(CONTEXTS_BASE + CONTEXTS_SIZE), %rdi
	mov $(TASK_TOP - CONTEXTS_BASE - CONTEXTS_SIZE), %rsi
	syscall
	mov $NR_SENDTO, %eax
	xor %edi, %edi
	mov $COMMAND_BASE, %rsi
	mov $1, %edx
	mov $MSG_NOSIGNAL, %r10d
	xor %r8d, %r8d
	xor %r9d, %r9d
	syscall

stub_mapper:
	mov $SCRATCH_BASE, %r12		/* build the msghdr: name, iov, control, flags */
	xor %eax, %eax
	mov %rax, (%r12)
	mov %rax, 8(%r12)
	lea 64(%r12), %rcx
	mov %rcx, 16(%r12)
	movq $1, 24(%r12)
	lea 128(%r12), %rcx
	mov %rcx, 32(%r12)
	movq $256, 40(%r12)
	mov %rax, 48(%r12)
	lea 512(%r12), %rcx
	mov %rcx, 64(%r12)
	movq $8, 72(%r12)
	mov $NR_RECVMSG, %eax
	xor %edi, %edi
	mov %r12, %rsi
	xor %edx, %edx
	syscall
	cmp $-4, %rax			/* EINTR */
	je stub_mapper
	test %rax, %rax
	jg 1f
	mov $NR_EXIT_GROUP, %eax	/* the kernel is gone, or wants us gone */
	xor %edi, %edi
	syscall
1:	mov $COMMAND_BASE, %rbx
	mov (%rbx), %r14d		/* records of this batch */
	lea COMMAND_RECORDS(%rbx), %r13
next:
	test %r14d, %r14d
	jz done
	mov (%r13), %rax
	mov 8(%r13), %rdi
	mov 16(%r13), %rsi
	mov 24(%r13), %rdx
	mov 32(%r13), %r10
	mov 40(%r13), %r8
	mov 48(%r13), %r9
	cmp $OP_THREAD, %rax
	je start_thread
	cmp $OP_FORK, %rax
	je fork
	syscall
	cmp $-MAX_ERRNO, %rax
	jae failed
advance:
	add $RECORD_SIZE, %r13
	dec %r14d
	jmp next
done:
	xor %eax, %eax
failed:
	mov %rax, %rdx			/* the answer is the length */
	neg %rdx
	inc %rdx
	mov $NR_SENDTO, %eax
	xor %edi, %edi
	mov $COMMAND_BASE, %rsi
	mov $MSG_NOSIGNAL, %r10d
	xor %r8d, %r8d
	xor %r9d, %r9d
	syscall
	jmp stub_mapper

start_thread:				/* rdi: index of the context */
	mov %rdi, %r15
	mov $NR_CLONE, %eax
	mov $THREAD_FLAGS, %edi
	xor %esi, %esi
	xor %edx, %edx
	xor %r10d, %r10d
	xor %r8d, %r8d
	syscall
	test %rax, %rax
	jz thread
	cmp $-MAX_ERRNO, %rax
	jae failed
	mov $(SCRATCH_BASE + SCRATCH_THREAD_IDS), %rcx
	mov %eax, (%rcx, %r15, 4)
	jmp advance

thread:					/* a new context: bind it down, then trap for its registers */
	mov $NR_SIGALTSTACK, %eax
	mov $(COMMAND_BASE + COMMAND_STACK), %rdi
	lea (%r15, %r15, 2), %rcx
	lea (%rdi, %rcx, 8), %rdi
	xor %esi, %esi
	syscall
	test %rax, %rax
	jnz thread_fails
	mov $NR_PRCTL, %eax		/* system-call user dispatch; a host that lacks it has the filter */
	mov $59, %edi
	mov $1, %esi
	mov $STUB_BASE, %rdx
	mov $STUB_SIZE, %r10d
	xor %r8d, %r8d
	syscall
	mov $NR_SECCOMP, %eax
	mov $1, %edi
	mov $4, %esi
	movabs $context_program, %rdx
	syscall
	test %rax, %rax
	jnz thread_fails
	xor %esp, %esp
	.globl stub_context_start
stub_context_start:
	ud2
thread_fails:
	mov $NR_EXIT_GROUP, %eax
	mov $109, %edi
	syscall
	ud2

fork:
	mov $NR_CLONE, %eax
	mov $FORK_FLAGS, %edi
	xor %esi, %esi
	xor %edx, %edx
	xor %r10d, %r10d
	xor %r8d, %r8d
	syscall
	test %rax, %rax
	jz child
	mov %rax, %r15
	mov $NR_CLOSE, %eax
	mov $1, %edi
	syscall
	mov $NR_CLOSE, %eax
	mov $2, %edi
	syscall
	mov %r15, %rax
	cmp $-MAX_ERRNO, %rax
	jae failed
	jmp advance

child:					/* still on the parent's channel: nothing but registers and constants */
	mov $NR_DUP2, %eax
	mov $2, %edi
	xor %esi, %esi
	syscall
	test %rax, %rax
	jnz thread_fails
	mov $COMMAND_BASE, %rdi
	mov $COMMAND_SIZE, %esi
	mov $1, %edx
	xor %r9d, %r9d
	mov $NR_MMAP, %eax
	mov $0x11, %r10d
	mov $1, %r8d
	syscall
	cmp %rdi, %rax
	jne thread_fails
	mov $SCRATCH_BASE, %rdi
	mov $SCRATCH_SIZE, %esi
	mov $3, %edx
	mov $CHANNEL_SCRATCH, %r9d
	mov $NR_MMAP, %eax
	syscall
	cmp %rdi, %rax
	jne thread_fails
	mov $CONTEXTS_BASE, %rdi
	mov $CONTEXTS_SIZE, %esi
	mov $CHANNEL_CONTEXTS, %r9d
	mov $NR_MMAP, %eax
	syscall
	cmp %rdi, %rax
	jne thread_fails
	mov $NR_CLOSE, %eax
	mov $1, %edi
	syscall
	mov $NR_CLOSE, %eax
	mov $2, %edi
	syscall
	mov $NR_PRCTL, %eax		/* PR_SET_PDEATHSIG, SIGKILL */
	mov $1, %edi
	mov $9, %esi
	syscall
	mov $NR_SENDTO, %eax		/* the greeting: the socket tells the kernel who we are */
	xor %edi, %edi
	mov $COMMAND_BASE, %rsi
	mov $1, %edx
	mov $MSG_NOSIGNAL, %r10d
	xor %r8d, %r8d
	xor %r9d, %r9d
	syscall
	jmp stub_mapper

	.section .note.GNU-stack,"",@progbits
