/* Fifty threads contend on one mutex and meet at a condition. */
#include <pthread.h>
#include <stdio.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t all_here = PTHREAD_COND_INITIALIZER;
static long count;
static int arrived;

static void *work(void *argument) {
  pthread_mutex_lock(&mutex);
  if (++arrived == 50)
    pthread_cond_broadcast(&all_here);
  while (arrived < 50)
    pthread_cond_wait(&all_here, &mutex);
  pthread_mutex_unlock(&mutex);
  for (int i = 0; i < 1000; i++) {
    pthread_mutex_lock(&mutex);
    count++;
    pthread_mutex_unlock(&mutex);
  }
  return argument;
}

int main(void) {
  pthread_t threads[50];
  for (int i = 0; i < 50; i++)
    pthread_create(&threads[i], 0, work, 0);
  for (int i = 0; i < 50; i++)
    pthread_join(threads[i], 0);
  printf("%ld\n", count);
  return 0;
}
