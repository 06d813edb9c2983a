/* Futexes that are owned: priority inheritance calls, robust lists across threads and processes, waiting for several. */
#include "show.h"
#include <linux/futex.h>

static uint32_t *words;
static void nothing(int number) { (void)number; }
static long futex(uint32_t *word, int op, uint32_t value, const struct timespec *timeout, uint32_t *other, uint32_t value3) { return syscall(SYS_futex, word, op, value, timeout, other, value3); }
static void show(const char *title, uint32_t word, pid_t tid) { printf("%s: %s%s%s\n", title, (word & FUTEX_TID_MASK) == 0 ? "free" : (word & FUTEX_TID_MASK) == tid ? "owned" : "another's", word & FUTEX_WAITERS ? " waiters" : "", word & FUTEX_OWNER_DIED ? " died" : ""); }

struct order { int number; pthread_mutex_t *mutex; };
static volatile int turn, order[8];
static void *queue_up(void *argument) {
  struct order *o = argument;
  pthread_mutex_lock(o->mutex); order[turn++] = o->number; pthread_mutex_unlock(o->mutex);
  return NULL;
}
static long total;
static void *contend(void *mutex) { for (int i = 0; i < 3000; i++) { pthread_mutex_lock(mutex); total++; pthread_mutex_unlock(mutex); } return NULL; }
static void *die_holding(void *mutex) { pthread_mutex_lock(mutex); return NULL; }
static void *lock_word(void *unused) { SHOW(futex(words, FUTEX_LOCK_PI, 0, NULL, NULL, 0)); show("in thread", *words, gettid()); SHOW(futex(words, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0)); return NULL; }
static void *wake_second(void *unused) { usleep(20000); words[3] = 1; futex(&words[3], FUTEX_WAKE, 1, NULL, NULL, 0); return NULL; }

int main(void) {
  struct timespec past = {1, 0}, soon; pthread_t t[8]; pthread_mutexattr_t attr; pthread_mutex_t *shared;
  setvbuf(stdout, NULL, _IOLBF, 0);
  words = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0); pid_t me = gettid();

  puts("-- one thread");
  SHOW(futex(words, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0)); SHOW(futex(words, FUTEX_LOCK_PI, 0, NULL, NULL, 0)); show("locked", *words, me); SHOW(futex(words, FUTEX_LOCK_PI, 0, NULL, NULL, 0)); SHOW(futex(words, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0)); SHOW(futex(words, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0)); show("unlocked", *words, me); SHOW(futex(words, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0)); show("tried", *words, me); SHOW(futex(words, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
  *words = 999999; SHOW(futex(words, FUTEX_LOCK_PI, 0, NULL, NULL, 0)); *words = 1; *words = FUTEX_OWNER_DIED; SHOW(futex(words, FUTEX_LOCK_PI, 0, NULL, NULL, 0)); show("died before", *words, me); SHOW(futex(words, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0)); SHOW(futex((void *)((char *)words + 1), FUTEX_LOCK_PI, 0, NULL, NULL, 0)); SHOW(futex((void *)8, FUTEX_LOCK_PI, 0, NULL, NULL, 0));

  puts("-- two threads");
  futex(words, FUTEX_LOCK_PI, 0, NULL, NULL, 0); pthread_create(&t[0], NULL, lock_word, NULL); usleep(30000); show("waited for", *words, me); futex(words, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0); pthread_join(t[0], NULL); show("after", *words, me);
  fflush(stdout); *words = 0; pid_t child = fork(); if (child == 0) { futex(words, FUTEX_LOCK_PI, 0, NULL, NULL, 0); usleep(30000); _exit(0); } usleep(15000); SHOW(futex(words, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0)); SHOW(futex(words, FUTEX_LOCK_PI, 0, &past, NULL, 0)); SHOW(futex(words, FUTEX_LOCK_PI, 0, NULL, NULL, 0)); show("the owner died", *words, me); waitpid(child, NULL, 0); SHOW(futex(words, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));

  puts("-- pthread mutexes");
  pthread_mutexattr_init(&attr); pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT); pthread_mutex_t mutex; pthread_mutex_init(&mutex, &attr); for (int i = 0; i < 4; i++) pthread_create(&t[i], NULL, contend, &mutex); for (int i = 0; i < 4; i++) pthread_join(t[i], NULL); printf("total %ld\n", total);
  catch(SIGALRM, nothing, 0); pthread_mutex_lock(&mutex); struct order orders[3]; for (int i = 0; i < 3; i++) { orders[i] = (struct order){i, &mutex}; pthread_create(&t[i], NULL, queue_up, &orders[i]); usleep(15000); } for (int i = 0; i < 3; i++) pthread_kill(t[i], SIGALRM); usleep(10000); pthread_mutex_unlock(&mutex); for (int i = 0; i < 3; i++) pthread_join(t[i], NULL); printf("turns %d\n", turn);
  clock_gettime(CLOCK_REALTIME, &soon); soon.tv_nsec += 20000000; if (soon.tv_nsec >= 1000000000) { soon.tv_sec++; soon.tv_nsec -= 1000000000; } pthread_mutex_lock(&mutex); CHILD("separate", SHOW(pthread_mutex_trylock(&mutex))); pthread_mutex_unlock(&mutex);

  puts("-- robust");
  shared = (void *)(words + 64); pthread_mutexattr_init(&attr); pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST); pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED); pthread_mutex_init(shared, &attr);
  pthread_create(&t[0], NULL, die_holding, shared); pthread_join(t[0], NULL); SHOW(pthread_mutex_lock(shared) == EOWNERDEAD); SHOW(pthread_mutex_consistent(shared)); SHOW(pthread_mutex_unlock(shared));
  fflush(stdout); if (fork() == 0) { pthread_mutex_lock(shared); _exit(0); } wait(NULL); SHOW(pthread_mutex_lock(shared) == EOWNERDEAD); SHOW(pthread_mutex_consistent(shared)); SHOW(pthread_mutex_unlock(shared));
  if (fork() == 0) { pthread_mutex_lock(shared); words[1] = 1; usleep(30000); kill(getpid(), SIGKILL); } while (!*(volatile uint32_t *)&words[1]) usleep(1000); SHOW(pthread_mutex_lock(shared) == EOWNERDEAD); SHOW(pthread_mutex_unlock(shared)); SHOW(pthread_mutex_lock(shared) == ENOTRECOVERABLE); wait(NULL);
  pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT); pthread_mutex_t *both = (void *)(words + 128); pthread_mutex_init(both, &attr); words[1] = 0; if (fork() == 0) { pthread_mutex_lock(both); words[1] = 1; usleep(30000); _exit(0); } while (!*(volatile uint32_t *)&words[1]) usleep(1000); SHOW(pthread_mutex_lock(both) == EOWNERDEAD); SHOW(pthread_mutex_consistent(both)); SHOW(pthread_mutex_unlock(both)); wait(NULL); if (fork() == 0) { pthread_mutex_lock(both); _exit(0); } wait(NULL); SHOW(pthread_mutex_lock(both) == EOWNERDEAD);
  void *head; size_t size; WORKS(syscall(SYS_get_robust_list, 0, &head, &size)); SHOW(size); TRUTH(head != NULL); SHOW(syscall(SYS_get_robust_list, 999999, &head, &size)); SHOW(syscall(SYS_get_robust_list, -1, &head, &size));

  puts("-- several");
  struct { uint64_t value, address; uint32_t flags, reserved; } many[3] = {{0, (uintptr_t)&words[2], 2, 0}, {0, (uintptr_t)&words[3], 2, 0}, {0, (uintptr_t)&words[4], 2 | 128, 0}}; words[2] = words[3] = words[4] = 0; pthread_create(&t[0], NULL, wake_second, NULL); SHOW(syscall(449, many, 3, 0, NULL, CLOCK_MONOTONIC)); pthread_join(t[0], NULL); SHOW(syscall(449, many, 3, 0, NULL, CLOCK_MONOTONIC)); words[3] = 0; clock_gettime(CLOCK_MONOTONIC, &soon); SHOW(syscall(449, many, 3, 0, &soon, CLOCK_MONOTONIC)); SHOW(syscall(449, many, 0, 0, NULL, 0)); SHOW(syscall(449, many, 129, 0, NULL, 0)); SHOW(syscall(449, many, 3, 1, NULL, 0)); SHOW(syscall(449, many, 3, 0, &soon, 7)); many[1].flags = 1; SHOW(syscall(449, many, 3, 0, NULL, 0)); many[1].flags = 2; many[1].reserved = 1; SHOW(syscall(449, many, 3, 0, NULL, 0)); SHOW(syscall(449, NULL, 3, 0, NULL, 0));
  return 0;
}
