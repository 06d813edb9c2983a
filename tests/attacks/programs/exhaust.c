/* exhaust WHAT: uses up one kind of thing until it is refused, gives it back, and prints how much it had and the errno.
 *
 * Row 16 of the attack table.
 */
#include "attack.h"
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

static void *sleep_long(void *unused) {
  pause();
  return unused;
}

static long threads(void) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 16384);
  pthread_t thread;
  long made = 0;
  while (made < 100000 && (errno = pthread_create(&thread, &attributes, sleep_long, NULL)) == 0)
    made++;
  return made;
}

static long mappings(void) { /* alternating protections: neighbours that the host cannot merge */
  long made = 0;
  char *at = mmap(NULL, 1ul << 32, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  while (made < 200000 && mprotect(at + made * 8192, 4096, PROT_READ | PROT_WRITE) == 0)
    made++;
  return made;
}

static long separate_mappings(void) {
  long made = 0;
  while (made < 70000 && mmap(NULL, 4096, made % 2 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
    made++;
  return made;
}

static long address_space(void) {
  long made = 0;
  while (made < 100000 && mmap(NULL, 1ul << 40, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) != MAP_FAILED)
    made++;
  return made;
}

static void limit_processes(long most) {
  struct rlimit limit = {most, most};
  setrlimit(RLIMIT_NPROC, &limit);
}

static long processes(void) {
  limit_processes(300);
  long made = 0;
  pid_t child;
  while (made < 20000 && (child = fork()) > 0)
    made++;
  while (made < 20000 && child == 0)
    pause();
  return made;
}

static long bomb(void) { /* every process forks */
  limit_processes(200);
  pid_t first = getpid();
  for (int i = 0; i < 10; i++)
    fork();
  while (getpid() != first)
    pause();
  return 1;
}

static long vforks(void) { /* a chain of borrowed contexts; the last of it goes on */
  static volatile long made;
  while (made < 3000 && raw(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0) == 0)
    made++;
  return made;
}

static long descriptors(void) {
  struct rlimit limit = {65536, 65536};
  setrlimit(RLIMIT_NOFILE, &limit);
  long made = 0;
  while (made < 2000000 && dup(0) >= 0)
    made++;
  return made;
}

static long files(void) { /* each big enough to be a memory object of the host */
  char name[64];
  long made = 0;
  mkdir("/tmp/files", 0700);
  for (; made < 3000; made++) {
    sprintf(name, "/tmp/files/%ld", made);
    int file = open(name, O_RDWR | O_CREAT, 0600);
    if (file < 0 || ftruncate(file, 4 << 20) != 0)
      break;
    close(file);
  }
  return made;
}

static long pipes(void) {
  int pair[2];
  long made = 0;
  while (made < 100000 && pipe(pair) == 0)
    made++;
  return made;
}

static long queued_signals(void) {
  long made = 0;
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, NULL);
  while (made < 100000 && sigqueue(getpid(), SIGRTMIN, (union sigval){0}) == 0)
    made++;
  return made;
}

static long depth(void) { /* directories in directories, then their whole name */
  static char name[1 << 20];
  long made = 0;
  chdir("/tmp");
  while (made < 5000 && mkdir("d", 0700) == 0 && chdir("d") == 0)
    made++;
  raw(SYS_getcwd, name, sizeof name, 0);
  for (long i = 0; i < made; i++)
    if (chdir("..") != 0 || rmdir("d") != 0)
      return -1;
  return made;
}

static long memory(void) { /* under --memory */
  long made = 0;
  while (made < 1 << 20) {
    char *at = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
      break;
    memset(at, 1, 1 << 20);
    made++;
  }
  return made;
}

static long timers(void) {
  long made = 0;
  timer_t timer;
  while (made < 100000 && timer_create(CLOCK_MONOTONIC, NULL, &timer) == 0)
    made++;
  return made;
}

static long locks(void) { /* a byte each, with a gap */
  int file = open("/tmp/locks", O_RDWR | O_CREAT, 0600);
  long made = 0;
  for (; made < 3000; made++) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 2 * made, .l_len = 1};
    if (fcntl(file, F_SETLK, &lock) != 0)
      break;
  }
  return made;
}

static long arguments(void) {
  static char *many[300000];
  for (int i = 0; i < 299999; i++)
    many[i] = "0123456789";
  execv("/bin/true", many);
  return 0;
}

int main(int count, char **words) {
  static const struct {
    const char *name;
    long (*use)(void);
  } all[] = {{"threads", threads},   {"mappings", mappings}, {"separate-mappings", separate_mappings}, {"address-space", address_space},
             {"processes", processes}, {"bomb", bomb},         {"vforks", vforks},                       {"descriptors", descriptors},
             {"files", files},       {"pipes", pipes},       {"queued-signals", queued_signals},       {"depth", depth},
             {"memory", memory},     {"timers", timers},     {"locks", locks},                         {"arguments", arguments}};
  if (fork() > 0) { /* the one that tries takes its whole group with it */
    wait(NULL);
    return 0;
  }
  setpgid(0, 0);
  for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
    if (count > 1 && strcmp(words[1], all[i].name) == 0) {
      errno = 0;
      long made = all[i].use();
      printf("had: %ld\nerrno: %d\n", made, errno);
    }
  fflush(stdout);
  kill(0, SIGKILL);
}
