/* AF_UNIX: pairs, names, connections, datagrams, ends and errors. */
#include "sockets.h"

static struct sockaddr_un named(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strcpy(address.sun_path, path);
  return address;
}
static struct sockaddr_un hidden(const char *name, socklen_t *size) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strcpy(address.sun_path + 1, name);
  *size = 2 + 1 + strlen(name);
  return address;
}
static void show_name(const char *title, int fd, int (*call)(int, struct sockaddr *, socklen_t *)) {
  struct sockaddr_un address = {0};
  socklen_t size = sizeof address;
  if (call(fd, (void *)&address, &size) < 0) printf("%s: %s\n", title, strerrorname_np(errno));
  else printf("%s: %u family %d \"%s%.*s\"\n", title, size, address.sun_family, size > 2 && !address.sun_path[0] ? "@" : "", size > 3 ? (int)size - 2 : 0, address.sun_path + (size > 2 && !address.sun_path[0]));
}
#define NAME(fd) show_name("getsockname(" #fd ")", fd, getsockname)
#define PEER(fd) show_name("getpeername(" #fd ")", fd, getpeername)

int main(void) {
  int p[2], a, b, c, l, n;
  char text[300000];
  struct sockaddr_un at;
  socklen_t size;
  memset(text, 'x', sizeof text);
  setvbuf(stdout, NULL, _IOLBF, 0);
  signal(SIGPIPE, SIG_IGN);

  puts("-- kinds");
  SHOW(socket(AF_UNIX, 99, 0)); SHOW(socket(AF_UNIX, SOCK_RDM, 0)); SHOW(socket(AF_UNIX, SOCK_STREAM, 5)); SHOW(socket(12345, SOCK_STREAM, 0)); SHOW(socketpair(AF_INET, SOCK_STREAM, 0, p));
  SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, NULL)); SHOW(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, p)); SHOW(fcntl(p[0], F_GETFD)); SHOW(fcntl(p[0], F_GETFL)); RECEIVE(p[0], 1, 0); close(p[0]); close(p[1]);

  puts("-- a stream pair");
  SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, p)); NAME(p[0]); PEER(p[0]); POLL(p[0]); SHOW(write(p[0], "hello", 5)); POLL(p[1]); SHOW(ioctl(p[1], FIONREAD, &n)); SHOW(n); RECEIVE(p[1], 2, MSG_PEEK); RECEIVE(p[1], 2, 0); SHOW(write(p[0], " world", 6)); RECEIVE(p[1], 100, 0); RECEIVE(p[1], 1, MSG_DONTWAIT); SHOW(send(p[0], "x", 1, MSG_OOB) != 0); recv(p[1], text, 9, MSG_DONTWAIT);
  SHOW(lseek(p[0], 0, SEEK_SET)); SHOW(pread(p[0], text, 1, 0)); SHOW(ftruncate(p[0], 0)); SHOW(fsync(p[0])); SHOW(write(p[0], "", 0)); SHOW(send(p[0], "", 0, 0)); RECEIVE(p[1], 1, MSG_DONTWAIT); SHOW(listen(p[0], 1)); SHOW(accept(p[0], NULL, NULL));
  struct stat st; fstat(p[0], &st); SHOW(S_ISSOCK(st.st_mode)); SHOW(st.st_size);
  SHOW(get_option(p[0], SOL_SOCKET, SO_TYPE)); SHOW(get_option(p[0], SOL_SOCKET, SO_DOMAIN)); SHOW(get_option(p[0], SOL_SOCKET, SO_PROTOCOL)); SHOW(get_option(p[0], SOL_SOCKET, SO_ACCEPTCONN)); SHOW(get_option(p[0], SOL_SOCKET, SO_ERROR)); SHOW(get_option(p[0], IPPROTO_TCP, TCP_NODELAY)); SHOW(get_option(p[0], SOL_SOCKET, 9999));
  SHOW(set_option(p[0], SOL_SOCKET, SO_SNDBUF, 10000)); SHOW(get_option(p[0], SOL_SOCKET, SO_SNDBUF)); SHOW(set_option(p[0], SOL_SOCKET, SO_SNDBUF, 1)); SHOW(get_option(p[0], SOL_SOCKET, SO_SNDBUF)); SHOW(set_option(p[0], SOL_SOCKET, SO_TYPE, 1)); SHOW(setsockopt(p[0], SOL_SOCKET, SO_PASSCRED, &n, 1)); SHOW(setsockopt(p[0], SOL_SOCKET, SO_PASSCRED, (void *)1, 4)); SHOW(set_option(p[0], SOL_SOCKET, SO_KEEPALIVE, 5)); SHOW(get_option(p[0], SOL_SOCKET, SO_KEEPALIVE));
  close(p[0]); close(p[1]);

  puts("-- the other end closes");
  socketpair(AF_UNIX, SOCK_STREAM, 0, p); write(p[0], "last", 4); close(p[0]); POLL(p[1]); SHOW(write(p[1], "x", 1)); SHOW(write(p[1], "", 0)); RECEIVE(p[1], 100, 0); RECEIVE(p[1], 100, 0); POLL(p[1]); PEER(p[1]); ERROR(p[1]); close(p[1]);
  socketpair(AF_UNIX, SOCK_STREAM, 0, p); write(p[0], "unread", 6); write(p[1], "left", 4); close(p[0]); POLL(p[1]); RECEIVE(p[1], 100, 0); RECEIVE(p[1], 100, 0); RECEIVE(p[1], 100, 0); close(p[1]);
  socketpair(AF_UNIX, SOCK_STREAM, 0, p); write(p[1], "left", 4); close(p[0]); ERROR(p[1]); ERROR(p[1]); RECEIVE(p[1], 1, 0); close(p[1]);

  puts("-- shutdown");
  socketpair(AF_UNIX, SOCK_STREAM, 0, p); write(p[0], "abc", 3); SHOW(shutdown(p[0], 3)); SHOW(shutdown(p[0], SHUT_WR)); POLL(p[0]); POLL(p[1]); SHOW(write(p[0], "x", 1)); RECEIVE(p[1], 10, 0); RECEIVE(p[1], 10, 0); SHOW(write(p[1], "back", 4)); RECEIVE(p[0], 10, 0); SHOW(shutdown(p[1], SHUT_WR)); POLL(p[0]); POLL(p[1]); close(p[0]); close(p[1]);
  socketpair(AF_UNIX, SOCK_STREAM, 0, p); write(p[1], "in", 2); SHOW(shutdown(p[0], SHUT_RD)); RECEIVE(p[0], 10, 0); RECEIVE(p[0], 10, 0); SHOW(write(p[1], "x", 1)); SHOW(write(p[0], "y", 1)); POLL(p[0]); POLL(p[1]); close(p[0]); close(p[1]);
  CHILD("a write without a reader", signal(SIGPIPE, SIG_DFL); socketpair(AF_UNIX, SOCK_STREAM, 0, p); close(p[0]); write(p[1], "x", 1));
  CHILD("MSG_NOSIGNAL", signal(SIGPIPE, SIG_DFL); socketpair(AF_UNIX, SOCK_STREAM, 0, p); close(p[0]); SHOW(send(p[1], "x", 1, MSG_NOSIGNAL)));
  CHILD("a datagram without a reader", signal(SIGPIPE, SIG_DFL); socketpair(AF_UNIX, SOCK_DGRAM, 0, p); close(p[0]); SHOW(write(p[1], "x", 1)); SHOW(write(p[1], "x", 1)); POLL(p[1]));

  puts("-- packets");
  socketpair(AF_UNIX, SOCK_SEQPACKET, 0, p); SHOW(write(p[0], "first", 5)); SHOW(write(p[0], "", 0)); SHOW(write(p[0], "second", 6)); SHOW(ioctl(p[1], FIONREAD, &n)); SHOW(n); RECEIVE(p[1], 3, MSG_PEEK); RECEIVE(p[1], 3, MSG_TRUNC); RECEIVE(p[1], 3, 0); RECEIVE(p[1], 3, 0); RECEIVE(p[1], 3, MSG_DONTWAIT); SHOW(send(p[0], text, sizeof text, 0)); close(p[0]); RECEIVE(p[1], 3, 0); SHOW(write(p[1], "x", 1)); POLL(p[1]); close(p[1]);
  socketpair(AF_UNIX, SOCK_DGRAM, 0, p); SHOW(write(p[0], "one", 3)); SHOW(write(p[0], "two", 3)); RECEIVE(p[1], 10, 0); RECEIVE(p[1], 2, 0); SHOW(send(p[0], text, sizeof text, 0)); SHOW(shutdown(p[0], SHUT_WR)); SHOW(write(p[0], "x", 1)); POLL(p[1]); SHOW(shutdown(p[1], SHUT_RD)); POLL(p[1]); close(p[0]); close(p[1]);

  puts("-- names");
  l = socket(AF_UNIX, SOCK_STREAM, 0); NAME(l); PEER(l); POLL(l); SHOW(write(l, "x", 1)); RECEIVE(l, 1, 0); SHOW(listen(l, 1)); SHOW(accept(l, NULL, NULL));
  at = named("name"); SHOW(bind(l, (void *)&at, 2)); size = sizeof at; SHOW(getsockname(l, (void *)&at, &size)); SHOW(size); SHOW(at.sun_path[0]); at = named("name"); close(l); l = socket(AF_UNIX, SOCK_STREAM, 0); umask(022);
  SHOW(bind(l, (void *)&at, 1)); SHOW(bind(l, (void *)&at, 111)); SHOW(bind(l, (void *)1, 10)); SHOW(bind(l, (void *)&at, sizeof at)); SHOW(bind(l, (void *)&at, sizeof at)); NAME(l); SHOW(stat("name", &st)); SHOW(st.st_mode == (S_IFSOCK | 0755)); SHOW(open("name", O_RDWR));
  a = socket(AF_UNIX, SOCK_STREAM, 0); SHOW(bind(a, (void *)&at, sizeof at)); SHOW(connect(a, (void *)&at, sizeof at)); SHOW(listen(l, 0)); SHOW(get_option(l, SOL_SOCKET, SO_ACCEPTCONN)); POLL(l); SHOW(connect(a, (void *)&at, sizeof at)); POLL(l); POLL(a); PEER(a); SHOW(write(a, "early", 5));
  b = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0); SHOW(connect(b, (void *)&at, sizeof at)); close(b);
  size = sizeof at; SHOW((c = accept4(l, (void *)&at, &size, SOCK_CLOEXEC | SOCK_NONBLOCK)) > 0); SHOW(size); NAME(c); PEER(c); SHOW(fcntl(c, F_GETFL) & O_NONBLOCK); at = named("name"); SHOW(connect(a, (void *)&at, sizeof at)); RECEIVE(c, 10, 0); SHOW(accept4(l, NULL, NULL, 1)); struct ucred who; size = sizeof who; SHOW(getsockopt(a, SOL_SOCKET, SO_PEERCRED, &who, &size)); SHOW(who.pid == getpid()); SHOW(who.uid == getuid());
  close(l); at = named("name"); b = socket(AF_UNIX, SOCK_STREAM, 0); SHOW(connect(b, (void *)&at, sizeof at)); SHOW(unlink("name")); SHOW(connect(b, (void *)&at, sizeof at)); put("file", "x"); at = named("file"); SHOW(connect(b, (void *)&at, sizeof at)); at = named("no/such"); SHOW(bind(b, (void *)&at, sizeof at)); at = named("file"); SHOW(bind(b, (void *)&at, sizeof at)); SHOW(sendto(b, "x", 1, 0, (void *)&at, sizeof at)); SHOW(sendto(a, "x", 1, 0, (void *)&at, sizeof at)); close(a); close(b); close(c);
  at = hidden("skerry test", &size); l = socket(AF_UNIX, SOCK_STREAM, 0); SHOW(bind(l, (void *)&at, size)); NAME(l); a = socket(AF_UNIX, SOCK_STREAM, 0); SHOW(bind(a, (void *)&at, size)); SHOW(connect(a, (void *)&at, size)); listen(l, 5); SHOW(connect(a, (void *)&at, size - 1)); SHOW(connect(a, (void *)&at, size)); PEER(a); b = socket(AF_UNIX, SOCK_DGRAM, 0); SHOW(connect(b, (void *)&at, size)); close(l); POLL(a); RECEIVE(a, 1, 0); RECEIVE(a, 1, 0); close(a); close(b); a = socket(AF_UNIX, SOCK_STREAM, 0); SHOW(bind(a, (void *)&at, size)); close(a);

  puts("-- datagrams");
  a = socket(AF_UNIX, SOCK_DGRAM, 0); b = socket(AF_UNIX, SOCK_DGRAM, 0); at = named("dgram"); SHOW(bind(a, (void *)&at, sizeof at)); SHOW(listen(a, 1)); SHOW(accept(a, NULL, NULL)); SHOW(write(b, "x", 1)); SHOW(sendto(b, "from nobody", 11, 0, (void *)&at, sizeof at)); size = sizeof at; SHOW(recvfrom(a, text, 100, 0, (void *)&at, &size)); SHOW(size);
  at = named("dgram"); SHOW(connect(b, (void *)&at, sizeof at)); PEER(b); SHOW(write(b, "x", 1)); at = named("other"); SHOW(bind(b, (void *)&at, sizeof at)); SHOW(write(b, "y", 1)); size = sizeof at; SHOW(recvfrom(a, text, 100, 0, (void *)&at, &size)); size = sizeof at; memset(&at, 0, sizeof at); SHOW(recvfrom(a, text, 100, 0, (void *)&at, &size)); SHOW(size); SHOW(strcmp(at.sun_path, "other"));
  c = socket(AF_UNIX, SOCK_DGRAM, 0); at = named("other"); SHOW(connect(a, (void *)&at, sizeof at)); at = named("dgram"); SHOW(sendto(c, "z", 1, 0, (void *)&at, sizeof at)); SHOW(connect(c, (void *)&at, sizeof at)); at.sun_family = AF_UNSPEC; SHOW(connect(a, (void *)&at, sizeof at)); PEER(a); at = named("dgram"); SHOW(connect(c, (void *)&at, sizeof at)); close(a); SHOW(write(c, "x", 1)); SHOW(write(c, "x", 1)); SHOW(connect(b, (void *)&at, sizeof at)); close(b); close(c);

  puts("-- waiting");
  socketpair(AF_UNIX, SOCK_STREAM, 0, p); fflush(stdout);
  if (!fork()) { close(p[0]); for (int i = 0; i < 20; i++) if (write(p[1], text, 100000) != 100000) _exit(1); _exit(0); }
  close(p[1]); long total = 0; while ((n = read(p[0], text, 7777)) > 0) total += n; SHOW(total); int status; wait(&status); show_status("writer", status); close(p[0]);
  socketpair(AF_UNIX, SOCK_STREAM, 0, p); fflush(stdout);
  if (!fork()) { for (int i = 0; i < 4; i++) { usleep(2000); write(p[1], "abcdefgh" + 2 * i, 2); } _exit(0); }
  RECEIVE(p[0], 7, MSG_WAITALL); close(p[1]); RECEIVE(p[0], 7, MSG_WAITALL); wait(NULL); close(p[0]);
  socketpair(AF_UNIX, SOCK_STREAM, 0, p); struct timeval wait_for = {0, 20000}; SHOW(setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &wait_for, sizeof wait_for)); SHOW(read(p[0], text, 1)); RECEIVE(p[0], 1, 0); wait_for.tv_usec = 1000000; SHOW(setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &wait_for, sizeof wait_for)); wait_for = (struct timeval){0, 20000}; SHOW(setsockopt(p[0], SOL_SOCKET, SO_SNDTIMEO, &wait_for, sizeof wait_for)); TRUTH(write(p[0], text, sizeof text) > 0); SHOW(write(p[0], text, sizeof text)); close(p[0]); close(p[1]);
  socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p); while (write(p[0], text, 1000) > 0) {} SHOW(errno == EAGAIN); POLL(p[0]); while (read(p[1], text, sizeof text) > 0) {} POLL(p[0]); POLL(p[1]); close(p[0]); close(p[1]);
  at = named("wait"); l = socket(AF_UNIX, SOCK_STREAM, 0); bind(l, (void *)&at, sizeof at); listen(l, 0); fflush(stdout);
  if (!fork()) { for (int i = 0; i < 5; i++) { a = socket(AF_UNIX, SOCK_STREAM, 0); if (connect(a, (void *)&at, sizeof at)) _exit(1); write(a, "x", 1); } _exit(0); }
  usleep(10000); for (int i = 0; i < 5; i++) { c = accept(l, NULL, NULL); RECEIVE(c, 1, 0); close(c); } wait(&status); show_status("callers", status); fcntl(l, F_SETFL, O_NONBLOCK); SHOW(accept(l, NULL, NULL)); close(l);
  return 0;
}
