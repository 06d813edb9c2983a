/* POSIX message queues. */
#include "show.h"
#include <mqueue.h>

static char name[64];
static volatile int came, value_, code_;
static void on_signal(int number, siginfo_t *info, void *context) { came = number; value_ = info->si_value.sival_int; code_ = info->si_code; }
static int told[2];
static void on_thread(union sigval value) { char byte = value.sival_int; write(told[1], &byte, 1); }
static void attr(mqd_t q) { struct mq_attr a; if (mq_getattr(q, &a)) puts(strerrorname_np(errno)); else printf("flags %ld most %ld size %ld now %ld\n", a.mq_flags, a.mq_maxmsg, a.mq_msgsize, a.mq_curmsgs); }
static struct timespec *soon(int ms) { static struct timespec t; clock_gettime(CLOCK_REALTIME, &t); t.tv_nsec += ms * 1000000L; t.tv_sec += t.tv_nsec / 1000000000; t.tv_nsec %= 1000000000; return &t; }

int main(void) {
  char text[9000]; unsigned priority; struct stat st; struct mq_attr a = {.mq_maxmsg = 3, .mq_msgsize = 16};
  umask(022); setvbuf(stdout, NULL, _IOLBF, 0); sprintf(name, "/skerry-%d", (int)getpid());
  puts("-- open");
  SHOW(mq_open(name, O_RDWR)); SHOW(mq_open("noslash", O_RDWR | O_CREAT, 0600, NULL)); SHOW(mq_open("/", O_RDWR | O_CREAT, 0600, NULL)); SHOW(mq_open("/a/b", O_RDWR | O_CREAT, 0600, NULL)); SHOW(mq_open("/.", O_RDWR | O_CREAT, 0600, NULL)); memset(text, 'n', 257); text[0] = '/'; text[257] = 0; SHOW(mq_open(text, O_RDWR | O_CREAT, 0600, NULL));
  struct mq_attr bad[] = {{.mq_maxmsg = 0, .mq_msgsize = 16}, {.mq_maxmsg = 3, .mq_msgsize = 0}, {.mq_maxmsg = -1, .mq_msgsize = 16}, {.mq_maxmsg = 65537, .mq_msgsize = 16}, {.mq_maxmsg = 3, .mq_msgsize = 1 << 25}, {.mq_maxmsg = 3, .mq_msgsize = -1}}; for (int i = 0; i < 6; i++) SHOW(mq_open(name, O_RDWR | O_CREAT, 0600, &bad[i]));
  mqd_t q = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0666, &a); SHOW(q >= 0); attr(q); SHOW(fstat(q, &st)); printf("%o %ld\n", st.st_mode, (long)st.st_size); SHOW(mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, NULL)); SHOW(mq_open(name, 3)); SHOW(fcntl(q, F_GETFD)); SHOW(fcntl(q, F_GETFL) & 3); SHOW(syscall(SYS_mq_open, name, O_RDWR, 0, NULL)); SHOW(syscall(SYS_mq_open, "", O_RDWR, 0, NULL)); SHOW(mq_open(name, O_RDWR | O_CREAT, 0, (void *)8));
  mqd_t reader = mq_open(name, O_RDONLY | O_NONBLOCK), writer = mq_open(name, O_WRONLY); SHOW(reader >= 0 && writer >= 0); attr(reader);
  puts("-- send and receive");
  SHOW(mq_receive(reader, text, 16, &priority)); SHOW(mq_send(reader, "x", 1, 0)); SHOW(mq_receive(writer, text, 16, NULL)); SHOW(mq_send(q, "low", 4, 1)); SHOW(mq_send(q, "high", 5, 9)); SHOW(mq_send(q, "low2", 5, 1)); attr(q); SHOW(mq_timedsend(q, "x", 1, 0, soon(20))); SHOW(mq_timedsend(q, "x", 1, 0, &(struct timespec){0, 0})); SHOW(mq_timedsend(q, "x", 1, 0, &(struct timespec){0, 1000000000})); SHOW(mq_timedsend(q, "x", 1, 0, &(struct timespec){-1, 0})); SHOW(mq_send(q, text, 17, 0)); SHOW(mq_send(q, "x", 1, 32768)); SHOW(mq_send(q, (char *)8, 1, 0)); SHOW(mq_receive(q, text, 15, NULL));
  read(q, text, 200); printf("%.16s\n", text); struct pollfd poll_[2] = {{reader, POLLIN | POLLOUT}, {writer, POLLIN | POLLOUT}}; SHOW(poll(poll_, 2, 0)); SHOW(poll_[0].revents); SHOW(poll_[1].revents);
  for (int i = 0; i < 3; i++) { SHOW(mq_receive(q, text, 100, &priority)); printf("%s %u\n", text, priority); } SHOW(mq_timedreceive(q, text, 16, NULL, soon(20))); SHOW(mq_timedreceive(q, text, 16, NULL, &(struct timespec){0, -1})); SHOW(mq_send(q, "", 0, 32767)); SHOW(poll(poll_, 2, 0)); SHOW(poll_[0].revents); SHOW(mq_receive(reader, text, 16, &priority)); SHOW(priority); SHOW(mq_send(q, "z", 1, 0)); SHOW(mq_receive(q, (char *)8, 16, NULL)); attr(q);
  SHOW(mq_send(99, "x", 1, 0)); SHOW(mq_receive(99, text, 16, NULL)); SHOW(mq_send(1, "x", 1, 0)); SHOW(mq_getattr(1, &a)); SHOW(write(q, "x", 1)); SHOW(lseek(q, 0, SEEK_SET)); SHOW(ftruncate(q, 0));
  puts("-- attributes");
  struct mq_attr set = {.mq_flags = O_NONBLOCK, .mq_maxmsg = 99}, old; SHOW(mq_setattr(q, &set, &old)); SHOW(old.mq_flags); attr(q); SHOW(mq_receive(q, text, 16, NULL)); set.mq_flags = O_APPEND; SHOW(mq_setattr(q, &set, NULL)); set.mq_flags = 0; SHOW(mq_setattr(q, &set, NULL)); attr(q); SHOW(mq_setattr(99, &set, NULL));
  puts("-- waiting");
  fflush(stdout); pid_t child = fork(); if (!child) { usleep(30000); mq_send(q, "late", 5, 3); _exit(0); } SHOW(mq_receive(q, text, 16, &priority)); puts(text); waitpid(child, NULL, 0);
  for (int i = 0; i < 3; i++) mq_send(q, "full", 5, 0); fflush(stdout); child = fork(); if (!child) { usleep(30000); mq_receive(q, text, 16, NULL); _exit(0); } SHOW(mq_send(q, "after", 6, 0)); waitpid(child, NULL, 0); attr(q); set.mq_flags = O_NONBLOCK; mq_setattr(q, &set, NULL); while (mq_receive(q, text, 16, NULL) >= 0) puts(text); set.mq_flags = 0; mq_setattr(q, &set, NULL);
  catch(SIGALRM, (void (*)(int))on_signal, 0); alarm_in(30); SHOW(mq_receive(q, text, 16, NULL)); 
  puts("-- notification");
  catch_info(SIGUSR1, on_signal, 0); came = 0; struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 42}; SHOW(mq_notify(q, &event)); SHOW(mq_notify(q, &event)); CHILD("another", SHOW(mq_notify(q, &event)); SHOW(mq_notify(q, NULL))); read(reader, text, 200); printf("%.40s\n", text); SHOW(mq_send(q, "n", 2, 0)); SHOW(came == SIGUSR1); SHOW(value_); SHOW(code_ == SI_MESGQ); came = 0; SHOW(mq_send(q, "n", 2, 0)); SHOW(came); SHOW(mq_notify(q, &event)); SHOW(mq_send(q, "n", 2, 0)); SHOW(came); while (mq_receive(reader, text, 16, NULL) >= 0) ; SHOW(mq_send(q, "n", 2, 0)); SHOW(came == SIGUSR1); came = 0; mq_receive(q, text, 16, NULL);
  SHOW(mq_notify(q, &event)); SHOW(mq_notify(q, NULL)); SHOW(mq_send(q, "n", 2, 0)); SHOW(came); mq_receive(q, text, 16, NULL); event.sigev_notify = SIGEV_NONE; SHOW(mq_notify(q, &event)); SHOW(mq_send(q, "n", 2, 0)); SHOW(mq_notify(q, &event)); mq_receive(q, text, 16, NULL); SHOW(mq_notify(q, NULL)); event.sigev_notify = SIGEV_SIGNAL; event.sigev_signo = 65; SHOW(mq_notify(q, &event)); event.sigev_notify = 77; SHOW(mq_notify(q, &event)); SHOW(mq_notify(99, NULL)); SHOW(mq_notify(1, NULL));
  pipe(told); struct sigevent thread = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = on_thread, .sigev_value.sival_int = 'T'}; SHOW(mq_notify(q, &thread)); SHOW(mq_send(q, "n", 2, 0)); SHOW(read(told[0], text, 1)); SHOW(text[0] == 'T'); mq_receive(q, text, 16, NULL);
  puts("-- unlink");
  mqd_t last = mq_open(name, O_RDONLY); SHOW(mq_unlink(name)); SHOW(mq_unlink(name)); SHOW(mq_open(name, O_RDWR)); SHOW(mq_send(q, "still", 6, 0)); SHOW(mq_receive(last, text, 16, NULL)); SHOW(fstat(q, &st)); SHOW(st.st_nlink); SHOW(mq_unlink("/none")); SHOW(mq_unlink("none")); SHOW(mq_close(q)); SHOW(mq_close(q)); SHOW(mq_close(last));
  puts("-- limits");
  struct rlimit limit = {9000, 9000}; setrlimit(RLIMIT_MSGQUEUE, &limit); a.mq_maxmsg = 10; a.mq_msgsize = 1000; SHOW(mq_open(name, O_RDWR | O_CREAT, 0600, &a)); a.mq_maxmsg = 2; q = mq_open(name, O_RDWR | O_CREAT, 0600, &a); SHOW(q >= 0); if (geteuid() == 0) { CHILD("somebody else", { setresuid(5000, 5000, 5000); SHOW(mq_open(name, O_RDONLY)); SHOW(mq_unlink(name)); SHOW(mq_open(name, O_CREAT | O_RDWR, 0600, &a)); a.mq_maxmsg = 11; SHOW(mq_open("/skerry-other", O_CREAT | O_RDWR, 0600, &a)); a.mq_maxmsg = 1; SHOW(mq_open("/skerry-other", O_CREAT | O_WRONLY, 0200, &a) >= 0); SHOW(mq_open("/skerry-other", O_RDONLY)); SHOW(mq_unlink("/skerry-other")); }); } SHOW(mq_unlink(name));
  return 0;
}
