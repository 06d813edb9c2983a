/* hoard WHAT MOST: has the system keep as much of a thing as it will, at most MOST, with whatever limits a program can lift lifted.
 *
 * Row 16 of the attack table. Prints "had: N" and "errno: E", and waits for a line or the end of its input.
 */
#include "attack.h"
#include <mqueue.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>

static long most;
static char data[1 << 18];

static int fill(int file) { /* until it takes no more */
  fcntl(file, F_SETFL, O_NONBLOCK);
  for (size_t size = sizeof data; size; size /= 2)
    while (write(file, data, size) > 0)
      ;
  return 0;
}

static long pipes(void) {
  long made = 0;
  for (int pair[2]; made < most && pipe(pair) == 0; made++)
    fill(pair[1]);
  return made;
}

static long large_pipes(void) {
  long made = 0;
  for (int pair[2]; made < most && pipe(pair) == 0 && fcntl(pair[1], F_SETPIPE_SZ, 1 << 20) > 0; made++)
    fill(pair[1]);
  return made;
}

static long sockets(void) {
  long made = 0;
  for (int pair[2]; made < most && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0; made++) {
    int size = 1 << 30;
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    fill(pair[0]);
    fill(pair[1]);
  }
  return made;
}

static long unaccepted(void) { /* the callers are gone; what they sent is there */
  long made = 0;
  while (made < most) {
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    if (listener < 0 || bind(listener, (void *)&address, sizeof address) || listen(listener, 4096) ||
        getsockname(listener, (void *)&address, &length))
      break;
    for (int i = 0; i < 4096 && made < most; i++, made++) {
      int caller = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
      if (caller < 0 || (connect(caller, (void *)&address, sizeof address) && errno != EINPROGRESS))
        return made;
      fill(caller);
      close(caller);
    }
  }
  return made;
}

static int give(int to, int file) {
  char byte = 0;
  struct iovec part = {&byte, 1};
  char control[CMSG_SPACE(sizeof(int))] = "";
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *c = CMSG_FIRSTHDR(&message);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(c), &file, sizeof(int));
  return sendmsg(to, &message, MSG_DONTWAIT);
}

static long rights(void) { /* files that only messages hold: a chain of sockets, each in a message to the next */
  long made = 0;
  int last[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, last))
    return 0;
  while (made < most) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
      break;
    if (give(pair[0], last[1]) < 0)
      break;
    close(last[0]);
    close(last[1]);
    last[0] = pair[0], last[1] = pair[1];
    made++;
  }
  return made;
}

static long cycles(void) { /* a socket in a message to itself, which nobody can receive any more */
  long made = 0;
  for (int pair[2]; made < most && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0; made++) {
    if (give(pair[0], pair[1]) < 0)
      break;
    close(pair[0]);
    close(pair[1]);
  }
  return made;
}

static long interests(void) { /* many sets that watch the same many files */
  long made = 0;
  static int files[1000];
  for (int i = 0; i < 1000; i++)
    files[i] = eventfd(0, 0);
  while (made < most) {
    int set = epoll_create1(0);
    if (set < 0)
      break;
    for (int i = 0; i < 1000 && made < most; i++, made++)
      if (epoll_ctl(set, EPOLL_CTL_ADD, files[i], &(struct epoll_event){.events = EPOLLIN}))
        return made;
  }
  return made;
}

static long watches(void) {
  long made = 0;
  char name[64];
  for (int i = 0; i < 1000; i++)
    sprintf(name, "/tmp/w%d", i), close(open(name, O_CREAT | O_WRONLY, 0600));
  while (made < most) {
    int instance = inotify_init();
    if (instance < 0)
      break;
    for (int i = 0; i < 1000 && made < most; i++, made++)
      if (sprintf(name, "/tmp/w%d", i), inotify_add_watch(instance, name, IN_ALL_EVENTS) < 0)
        return made;
  }
  return made;
}

static long events(void) { /* that nobody reads, with long names */
  long made = 0;
  char name[300] = "/tmp/";
  for (int i = 0; i < 100; i++)
    if (inotify_add_watch(inotify_init(), "/tmp", IN_ALL_EVENTS) < 0)
      break;
  memset(name + 5, 'x', 200);
  for (; made < most; made++) {
    sprintf(name + 200, "%ld", made);
    if (mknod(name, S_IFREG | 0600, 0) || unlink(name))
      break;
  }
  return made;
}

static long locks(void) {
  int file = open("/tmp/locks", O_RDWR | O_CREAT, 0600);
  long made = 0;
  for (; made < most; made++) { /* each in a file of its own: a search through many would take long */
    char name[64];
    if (made % 1000 == 0)
      sprintf(name, "/tmp/locks%ld", made), file = open(name, O_RDWR | O_CREAT, 0600);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 2 * (made % 1000), .l_len = 1};
    if (fcntl(file, F_SETLK, &lock) != 0)
      break;
  }
  return made;
}

static long timers(void) {
  long made = 0;
  timer_t timer;
  while (made < most && timer_create(CLOCK_MONOTONIC, NULL, &timer) == 0)
    made++;
  return made;
}

static long queues(void) {
  long made = 0;
  char name[64];
  for (; made < most; made++) {
    sprintf(name, "/q%ld", made);
    mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_NONBLOCK, 0600, &(struct mq_attr){.mq_maxmsg = 10, .mq_msgsize = 8192});
    if (queue < 0)
      break;
    while (mq_send(queue, data, 8192, 0) == 0)
      ;
  }
  return made;
}

static long missing(void) { /* names that are not there, in a directory of the host */
  long made = 0;
  char name[300] = "/usr/bin/";
  memset(name + 9, 'x', 200);
  for (; made < most; made++)
    sprintf(name + 200, "%ld", made), access(name, F_OK);
  return made;
}

static long attributes(void) {
  long made = 0;
  char name[64];
  int file = open("/tmp/marked", O_RDWR | O_CREAT, 0600);
  while (made < most && (sprintf(name, "user.%ld", made), fsetxattr(file, name, data, 4000, 0) == 0))
    made++;
  return made;
}

static long opens(void) { /* descriptions, in as many processes as it takes */
  static volatile long *made;
  made = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  while (*made < most && open("/dev/null", O_RDONLY) >= 0)
    ++*made;
  return *made;
}

static long names(void) { /* empty files, of its own */
  long made = 0;
  char name[64];
  for (; made < most; made++) {
    sprintf(name, "/tmp/n%d-%ld", getpid(), made);
    if (mknod(name, S_IFREG | 0600, 0))
      break;
  }
  return made;
}

static long segments(void) { /* of shared memory, each gone before the next */
  long made = 0;
  for (int id; made < most && (id = shmget(IPC_PRIVATE, 8192, IPC_CREAT | 0600)) >= 0; made++) {
    char *memory = shmat(id, NULL, 0);
    if (memory == (void *)-1)
      break;
    *memory = 1;
    shmdt(memory);
    shmctl(id, IPC_RMID, NULL);
  }
  return made;
}

static long read_all(void) { /* one call that asks for much */
  int file = open("/dev/zero", O_RDONLY);
  char *at = mmap(NULL, most, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return read(file, at, most);
}

int main(int count, char **words) {
  static const struct {
    const char *name;
    long (*hoard)(void);
  } all[] = {{"pipes", pipes},     {"large-pipes", large_pipes}, {"sockets", sockets}, {"unaccepted", unaccepted}, {"rights", rights},
             {"cycles", cycles},   {"interests", interests},     {"watches", watches}, {"events", events},         {"locks", locks},
             {"timers", timers},   {"queues", queues},           {"missing", missing}, {"attributes", attributes}, {"opens", opens},
             {"names", names},     {"read", read_all},           {"segments", segments}};
  if (count < 3)
    return 2;
  most = atol(words[2]);
  setrlimit(RLIMIT_NOFILE, &(struct rlimit){1048576, 1048576});
  setrlimit(RLIMIT_MSGQUEUE, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
  setrlimit(RLIMIT_SIGPENDING, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
  signal(SIGPIPE, SIG_IGN);
  for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
    if (strcmp(words[1], all[i].name) == 0) {
      errno = 0;
      long made = all[i].hoard();
      printf("had: %ld\nerrno: %d\n", made, made < most ? errno : 0);
      fflush(stdout);
      getchar();
    }
  return 0;
}
