/* What the programs about sockets share. */
#ifndef SOCKETS_H
#define SOCKETS_H
#include "show.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

/* What poll says now of the events that programs look at. */
static inline void show_poll(const char *title, int fd) {
  struct pollfd one = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP | POLLPRI};
  poll(&one, 1, 0);
  printf("%s:%s%s%s%s%s%s\n", title, one.revents & POLLIN ? " IN" : "", one.revents & POLLOUT ? " OUT" : "",
         one.revents & POLLRDHUP ? " RDHUP" : "", one.revents & POLLHUP ? " HUP" : "", one.revents & POLLERR ? " ERR" : "",
         one.revents & POLLNVAL ? " NVAL" : "");
}

static inline int get_option(int fd, int level, int option) {
  int value = -1;
  socklen_t size = sizeof value;
  return getsockopt(fd, level, option, &value, &size) < 0 ? -errno : value;
}

static inline int set_option(int fd, int level, int option, int value) { return setsockopt(fd, level, option, &value, sizeof value); }

#define POLL(fd) show_poll("poll(" #fd ")", fd)
#define ERROR(fd) printf("SO_ERROR(" #fd ") = %s\n", strerrorname_np(get_option(fd, SOL_SOCKET, SO_ERROR)))
#define RECEIVE(fd, size, flags) show_received(fd, size, flags, "recv(" #fd ", " #size ", " #flags ")")

static inline void show_received(int fd, size_t size, int flags, const char *title) {
  char text[256] = "";
  ssize_t count = recv(fd, text, size, flags);
  if (count < 0) printf("%s = -1 %s\n", title, strerrorname_np(errno));
  else printf("%s = %zd \"%.*s\"\n", title, count, (int)(count < (ssize_t)size ? count : (ssize_t)size), text);
}
#endif
