/* futex itself, in a process and between processes. */
#include "show.h"
#include <linux/futex.h>

static long futex(uint32_t *word, int operation, uint32_t value, const void *timeout, uint32_t *second, uint32_t third) {
  return syscall(SYS_futex, word, operation, value, timeout, second, third);
}
static uint32_t word, other;
static long woken[8];
static void *waits(void *argument) {
  long i = (long)argument;
  woken[i] = futex(&word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0) == 0 ? 1 : -1;
  return NULL;
}
static void *waits_bits(void *argument) {
  long bits = (long)argument;
  long result = futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, (uint32_t)bits);
  __atomic_fetch_add(&other, result == 0 ? 1 << bits : 1 << 16, __ATOMIC_SEQ_CST);
  return NULL;
}
static void nothing(int number) { (void)number; }
static int settled(int want) { /* the waiters are asleep when a requeue to themselves counts them */
  for (int i = 0; i < 2000; i++) {
    if (futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 0, (void *)(long)100, &word, word) >= want) return 1;
    usleep(1000);
  }
  return 0;
}

int main(void) {
  struct timespec brief = {0, 20000000}, bad = {0, 1000000000};
  pthread_t threads[8];
  setvbuf(stdout, NULL, _IOLBF, 0);

  puts("-- results");
  SHOW(futex(&word, FUTEX_WAIT, 1, NULL, NULL, 0)); SHOW(futex(&word, FUTEX_WAIT, 0, &brief, NULL, 0)); SHOW(futex(&word, FUTEX_WAIT, 0, &bad, NULL, 0)); SHOW(futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0)); SHOW(futex((uint32_t *)1, FUTEX_WAIT, 0, NULL, NULL, 0)); SHOW(futex((uint32_t *)8, FUTEX_WAIT, 0, NULL, NULL, 0)); SHOW(futex(&word, 77, 0, NULL, NULL, 0)); SHOW(futex(&word, FUTEX_WAIT_BITSET, 0, NULL, NULL, 0)); SHOW(futex(&word, FUTEX_CMP_REQUEUE, 1, (void *)1, &other, 5));
  struct timespec now; clock_gettime(CLOCK_MONOTONIC, &now); struct timespec past = {now.tv_sec - 1, 0}; SHOW(futex(&word, FUTEX_WAIT_BITSET, 0, &past, NULL, FUTEX_BITSET_MATCH_ANY)); clock_gettime(CLOCK_REALTIME, &now); past = (struct timespec){now.tv_sec - 1, 0}; SHOW(futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &past, NULL, FUTEX_BITSET_MATCH_ANY));
  catch(SIGALRM, nothing, 0); alarm_in(30); SHOW(futex(&word, FUTEX_WAIT, 0, NULL, NULL, 0));
  struct timespec since; clock_gettime(CLOCK_MONOTONIC, &since); futex(&word, FUTEX_WAIT_PRIVATE, 0, &brief, NULL, 0); TRUTH(elapsed_ms(&since) >= 20 && elapsed_ms(&since) < 1000);

  puts("-- waking");
  for (long i = 0; i < 8; i++) pthread_create(&threads[i], NULL, waits, (void *)i);
  TRUTH(settled(8)); SHOW(futex(&word, FUTEX_WAKE_PRIVATE, 3, NULL, NULL, 0)); SHOW(futex(&word, FUTEX_REQUEUE_PRIVATE, 1, (void *)2, &other, 0)); SHOW(futex(&other, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0)); SHOW(futex(&word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0)); long sum = 0; for (int i = 0; i < 8; i++) { pthread_join(threads[i], NULL); sum += woken[i]; } SHOW(sum);

  puts("-- bits");
  other = 0; pthread_create(&threads[0], NULL, waits_bits, (void *)1); pthread_create(&threads[1], NULL, waits_bits, (void *)2); TRUTH(settled(2)); SHOW(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 9, NULL, NULL, 4)); SHOW(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 9, NULL, NULL, 2)); pthread_join(threads[1], NULL); SHOW(other); SHOW(futex(&word, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0)); pthread_join(threads[0], NULL); SHOW(other);

  puts("-- FUTEX_WAKE_OP");
  word = 0; other = 5; SHOW(futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &other, FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 5))); SHOW(other);

  puts("-- between processes");
  uint32_t *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  fflush(stdout); pid_t child = fork();
  if (child == 0) { while (__atomic_load_n(shared, __ATOMIC_SEQ_CST) == 0) futex(shared, FUTEX_WAIT, 0, NULL, NULL, 0); shared[1] = 7; futex(shared + 1, FUTEX_WAKE, 1, NULL, NULL, 0); _exit(0); }
  usleep(20000); __atomic_store_n(shared, 1, __ATOMIC_SEQ_CST); SHOW(futex(shared, FUTEX_WAKE, 1, NULL, NULL, 0)); while (__atomic_load_n(shared + 1, __ATOMIC_SEQ_CST) == 0) futex(shared + 1, FUTEX_WAIT, 0, NULL, NULL, 0); SHOW(shared[1]); int status; waitpid(child, &status, 0); show_status("child", status);
  int fd = open("futex.file", O_RDWR | O_CREAT, 0600); ftruncate(fd, 4096); uint32_t *one = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0); fflush(stdout); child = fork();
  if (child == 0) { uint32_t *two = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0); while (__atomic_load_n(two + 2, __ATOMIC_SEQ_CST) == 0) futex(two + 2, FUTEX_WAIT, 0, NULL, NULL, 0); _exit(3); }
  usleep(20000); one[2] = 1; SHOW(futex(one + 2, FUTEX_WAKE, 1, NULL, NULL, 0)); waitpid(child, &status, 0); show_status("child", status); unlink("futex.file");
  word = 0; child = fork(); if (child == 0) { SHOW(futex(&word, FUTEX_WAIT_PRIVATE, 0, &brief, NULL, 0)); fflush(stdout); _exit(0); } SHOW(futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0)); waitpid(child, &status, 0);
  return 0;
}
