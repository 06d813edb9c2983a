/* Asynchronous input and output by the system calls, and the clock's discipline. */
#include "show.h"
#include <linux/aio_abi.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/timex.h>

static aio_context_t context;
static struct iocb cb[8];
static struct io_event events[8];

static struct iocb *request(int i, int opcode, int fd, void *buffer, size_t count, long offset) {
  memset(cb + i, 0, sizeof *cb);
  cb[i] = (struct iocb){.aio_data = 100 + i, .aio_lio_opcode = opcode, .aio_fildes = fd, .aio_buf = (long)buffer, .aio_nbytes = count, .aio_offset = offset};
  return cb + i;
}

static void show_events(long count) {
  for (long i = 0; i < count; i++) printf("data %llu, request %ld: %lld %lld\n", events[i].data, (long)((struct iocb *)events[i].obj - cb), events[i].res, events[i].res2);
}

static void *late(void *fd) {
  struct iocb *one[] = {request(7, IOCB_CMD_PWRITE, *(int *)fd, "late", 4, 0)};
  usleep(30000);
  syscall(SYS_io_submit, context, 1, one);
  return NULL;
}

int main(void) {
  puts("-- contexts");
  SHOW(syscall(SYS_io_setup, 0, &context));
  SHOW(syscall(SYS_io_setup, 4, NULL));
  SHOW(syscall(SYS_io_setup, 4, &context));
  TRUTH(context != 0);
  SHOW(syscall(SYS_io_setup, 4, &context));
  SHOW(syscall(SYS_io_destroy, context + 1));

  puts("-- requests");
  char buffer[16] = "", other[4] = "";
  int fd = open("aio", O_RDWR | O_CREAT | O_TRUNC, 0600), counter = eventfd(0, EFD_NONBLOCK);
  struct iovec vector[] = {{other, 2}, {buffer + 8, 3}};
  struct iocb *three[] = {request(0, IOCB_CMD_PWRITE, fd, "0123456789", 10, 0), request(1, IOCB_CMD_PREAD, fd, buffer, 4, 3), request(2, IOCB_CMD_FSYNC, fd, NULL, 0, 0)};
  cb[1].aio_flags = IOCB_FLAG_RESFD; cb[1].aio_resfd = counter;
  SHOW(syscall(SYS_io_submit, context, 1, three));
  SHOW(syscall(SYS_io_getevents, context, 1, 8, events, NULL)); show_events(1);
  SHOW(syscall(SYS_io_submit, context, 2, three + 1));
  SHOW(syscall(SYS_io_getevents, context, 2, 8, events, NULL));
  qsort(events, 2, sizeof *events, (int (*)(const void *, const void *))memcmp); show_events(2); puts(buffer);
  long long n = 0; SHOW(read(counter, &n, 8)); SHOW(n);
  struct iocb *vectored[] = {request(3, IOCB_CMD_PREADV, fd, vector, 2, 5)};
  SHOW(syscall(SYS_io_submit, context, 1, vectored)); SHOW(syscall(SYS_io_getevents, context, 1, 1, events, NULL)); show_events(1); printf("%.2s %.3s\n", other, buffer + 8);

  puts("-- errors");
  struct timespec none = {0, 0};
  SHOW(syscall(SYS_io_getevents, context, 0, 8, events, &none));
  SHOW(syscall(SYS_io_getevents, context, 1, 8, events, &none));
  SHOW(syscall(SYS_io_getevents, context, 3, 2, events, NULL));
  SHOW(syscall(SYS_io_getevents, context + 4096, 0, 2, events, NULL));
  struct iocb *wrong[] = {request(0, IOCB_CMD_PREAD, 99, buffer, 4, 0), request(1, 77, fd, buffer, 4, 0), request(2, IOCB_CMD_PREAD, fd, (void *)8, 4, 0), request(3, IOCB_CMD_PREAD, fd, buffer, 4, -1)};
  for (int i = 0; i < 2; i++) SHOW(syscall(SYS_io_submit, context, 1, wrong + i));
  SHOW(syscall(SYS_io_submit, context, 1, wrong + 2)); SHOW(syscall(SYS_io_getevents, context, 1, 1, events, NULL)); show_events(1);
  SHOW(syscall(SYS_io_submit, context, 1, NULL));
  SHOW(syscall(SYS_io_submit, context, 0, NULL));
  SHOW(syscall(SYS_io_submit, context, -1, wrong));
  SHOW(syscall(SYS_io_submit, context + 4096, 1, wrong));
  SHOW(syscall(SYS_io_cancel, context, cb, events));
  struct iocb *mixed[] = {request(0, IOCB_CMD_PREAD, fd, buffer, 2, 0), request(1, 77, fd, buffer, 4, 0)};
  SHOW(syscall(SYS_io_submit, context, 2, mixed)); SHOW(syscall(SYS_io_getevents, context, 1, 2, events, &none)); show_events(1);

  puts("-- waiting, ending");
  pthread_t thread; pthread_create(&thread, NULL, late, &fd);
  SHOW(syscall(SYS_io_getevents, context, 1, 8, events, NULL)); pthread_join(thread, NULL); show_events(1);
  struct timespec soon = {0, 20000000};
  SHOW(syscall(SYS_io_getevents, context, 1, 8, events, &soon));
  SHOW(syscall(SYS_io_destroy, context));
  SHOW(syscall(SYS_io_destroy, context));

  puts("-- clock");
  struct timex clock = {0};
  TRUTH(adjtimex(&clock) >= 0);
  TRUTH(clock.tick == 10000 && clock.time.tv_sec == time(NULL));
  clock.modes = 0;
  TRUTH(clock_adjtime(CLOCK_REALTIME, &clock) >= 0);
  SHOW(clock_adjtime(CLOCK_MONOTONIC, &clock));
  SHOW(clock_adjtime(77, &clock));
  return 0;
}
