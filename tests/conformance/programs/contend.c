/* Fifty threads contend: mutexes, conditions, a barrier, a read-write lock, semaphores, atomic counts. */
#include "show.h"
#include <semaphore.h>

#define THREADS 50
#define TURNS 2000
static pthread_mutex_t mutexes[4] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER};
static long counts[4], sum, reads, produced, consumed, errors;
static pthread_barrier_t barrier;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_mutex_t queue_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER, not_full = PTHREAD_COND_INITIALIZER;
static int queue[8], queued;
static sem_t semaphore;
static __thread long mine;

static void *work(void *argument) {
  long number = (long)argument;
  mine = number;
  for (int i = 0; i < TURNS; i++) {
    int which = (int)((number + i) & 3);
    pthread_mutex_lock(&mutexes[which]);
    counts[which]++;
    if (i % 500 == 0) sched_yield();
    pthread_mutex_unlock(&mutexes[which]);
  }
  pthread_barrier_wait(&barrier);
  for (int i = 0; i < 50; i++) {
    if ((i + number) % 10 == 0) {
      pthread_rwlock_wrlock(&rwlock);
      sum += number;
    } else {
      pthread_rwlock_rdlock(&rwlock);
      __atomic_fetch_add(&reads, 1, __ATOMIC_RELAXED);
    }
    pthread_rwlock_unlock(&rwlock);
  }
  for (int i = 0; i < 40; i++) {
    pthread_mutex_lock(&queue_lock);
    if (number & 1) {
      while (queued == 8) pthread_cond_wait(&not_full, &queue_lock);
      queue[queued++] = i;
      produced += i;
      pthread_cond_signal(&not_empty);
    } else {
      while (queued == 0) pthread_cond_wait(&not_empty, &queue_lock);
      consumed += queue[--queued];
      pthread_cond_signal(&not_full);
    }
    pthread_mutex_unlock(&queue_lock);
  }
  sem_wait(&semaphore);
  usleep(100);
  sem_post(&semaphore);
  if (mine != number) errors++;
  return (void *)(number * 2);
}
static void *canceled(void *argument) { (void)argument; for (;;) pause(); return NULL; }
static void *leaves(void *argument) { usleep(10000); pthread_exit(argument); }
static pthread_t signalled;
static volatile int in_thread;
static void handler(int number) { (void)number; in_thread = pthread_equal(pthread_self(), signalled); }
static void *until_signal(void *argument) { (void)argument; while (!in_thread) usleep(1000); return NULL; }
static void *last(void *argument) { (void)argument; usleep(20000); puts("the last thread ends the process"); exit(0); }

int main(void) {
  pthread_t threads[THREADS];
  void *result;
  long results = 0;
  setvbuf(stdout, NULL, _IOLBF, 0);
  pthread_barrier_init(&barrier, NULL, THREADS);
  sem_init(&semaphore, 0, 3);
  for (long i = 0; i < THREADS; i++) if (pthread_create(&threads[i], NULL, work, (void *)i)) { puts("no thread"); return 1; }
  for (int i = 0; i < THREADS; i++) { pthread_join(threads[i], &result); results += (long)result; }
  printf("counts %ld %ld %ld %ld sum %ld reads %ld produced %ld consumed %ld results %ld errors %ld\n", counts[0], counts[1], counts[2], counts[3], sum, reads, produced, consumed, results, errors);

  pthread_create(&threads[0], NULL, canceled, NULL);
  SHOW(pthread_cancel(threads[0])); SHOW(pthread_join(threads[0], &result)); TRUTH(result == PTHREAD_CANCELED);
  pthread_create(&threads[0], NULL, leaves, (void *)77); pthread_join(threads[0], &result); SHOW(result);
  catch(SIGUSR1, handler, 0);
  pthread_create(&signalled, NULL, until_signal, NULL); SHOW(pthread_kill(signalled, SIGUSR1)); pthread_join(signalled, NULL); SHOW(in_thread);
  struct timespec soon; clock_gettime(CLOCK_REALTIME, &soon); soon.tv_nsec += 20000000; if (soon.tv_nsec >= 1000000000) { soon.tv_sec++; soon.tv_nsec -= 1000000000; }
  pthread_mutex_lock(&queue_lock); printf("timed wait: %s\n", strerrorname_np(pthread_cond_timedwait(&not_full, &queue_lock, &soon))); pthread_mutex_unlock(&queue_lock);
  CHILD("fork in a threaded process", { pthread_create(&threads[0], NULL, leaves, (void *)5); pthread_join(threads[0], &result); SHOW(result); });
  CHILD("exit with threads alive", { for (int i = 0; i < 5; i++) pthread_create(&threads[i], NULL, canceled, NULL); fflush(stdout); _exit(4); });
  CHILD("a thread's fault kills all", { pthread_create(&threads[0], NULL, canceled, NULL); *(volatile int *)0 = 1; });
  CHILD("exec with threads alive", { for (int i = 0; i < 5; i++) pthread_create(&threads[i], NULL, canceled, NULL); fflush(stdout); execlp("echo", "echo", "replaced", (char *)NULL); });
  fflush(stdout);
  pthread_create(&threads[0], NULL, last, NULL);
  pthread_exit(NULL);
}
