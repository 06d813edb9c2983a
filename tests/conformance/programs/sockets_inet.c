/* TCP and UDP over the loopback: names, connections, ends, resets, options, errors. */
#include "sockets.h"

static struct sockaddr_in where(const char *host, int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, host, &address.sin_addr);
  return address;
}
static int port_of(int fd) {
  struct sockaddr_in6 address;
  socklen_t size = sizeof address;
  return getsockname(fd, (void *)&address, &size) < 0 ? -errno : ntohs(address.sin6_port);
}
static void show_address(const char *title, int fd, int (*call)(int, struct sockaddr *, socklen_t *)) {
  char text[100];
  struct sockaddr_in6 address;
  socklen_t size = sizeof address;
  if (call(fd, (void *)&address, &size) < 0) { printf("%s: %s\n", title, strerrorname_np(errno)); return; }
  inet_ntop(address.sin6_family, address.sin6_family == AF_INET ? (void *)&((struct sockaddr_in *)&address)->sin_addr : (void *)&address.sin6_addr, text, sizeof text);
  printf("%s: %u %s %s\n", title, size, text, address.sin6_port ? "a port" : "no port");
}
#define NAME(fd) show_address("getsockname(" #fd ")", fd, getsockname)
#define PEER(fd) show_address("getpeername(" #fd ")", fd, getpeername)

static int l, a, b, port;
static struct sockaddr_in at;
static void listening(int backlog) { l = socket(AF_INET, SOCK_STREAM, 0); at = where("127.0.0.1", 0); bind(l, (void *)&at, sizeof at); listen(l, backlog); port = port_of(l); at = where("127.0.0.1", port); }
static void connection(void) { listening(5); a = socket(AF_INET, SOCK_STREAM, 0); connect(a, (void *)&at, sizeof at); b = accept(l, NULL, NULL); }
static void over(void) { close(l); close(a); close(b); }

int main(void) {
  char text[100000];
  int n, c;
  socklen_t size;
  memset(text, 'x', sizeof text);
  setvbuf(stdout, NULL, _IOLBF, 0); signal(SIGPIPE, SIG_IGN);

  puts("-- kinds");
  SHOW(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP)); SHOW(socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP)); SHOW(socket(AF_INET, SOCK_SEQPACKET, 0)); SHOW(socket(AF_INET, 0, 0)); SHOW(socket(AF_INET, SOCK_STREAM | 64, 0)); SHOW(socket(AF_INET, SOCK_RAW, 0));

  puts("-- a new socket");
  a = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP); NAME(a); PEER(a); POLL(a); RECEIVE(a, 1, 0); SHOW(send(a, "x", 1, 0)); SHOW(shutdown(a, SHUT_WR)); SHOW(accept(a, NULL, NULL)); at = where("127.0.0.1", 0); SHOW(bind(a, (void *)&at, 15)); at.sin_family = AF_INET6; SHOW(bind(a, (void *)&at, 16)); at = where("8.8.8.8", 0); SHOW(bind(a, (void *)&at, sizeof at)); at = where("127.0.0.1", 0); SHOW(bind(a, (void *)&at, sizeof at)); SHOW(bind(a, (void *)&at, sizeof at)); NAME(a);
  SHOW(get_option(a, SOL_SOCKET, SO_PROTOCOL)); SHOW(get_option(a, SOL_SOCKET, SO_DOMAIN)); SHOW(get_option(a, SOL_SOCKET, SO_REUSEADDR)); SHOW(get_option(a, IPPROTO_TCP, TCP_NODELAY)); SHOW(set_option(a, IPPROTO_TCP, TCP_NODELAY, 7)); SHOW(get_option(a, IPPROTO_TCP, TCP_NODELAY)); SHOW(get_option(a, IPPROTO_TCP, TCP_KEEPIDLE)); SHOW(set_option(a, IPPROTO_TCP, TCP_KEEPIDLE, 30)); SHOW(get_option(a, IPPROTO_TCP, TCP_KEEPIDLE)); SHOW(get_option(a, IPPROTO_IP, IP_TTL)); SHOW(set_option(a, IPPROTO_IP, IP_TOS, 16)); SHOW(get_option(a, IPPROTO_IP, IP_TOS)); SHOW(get_option(a, 200, 1)); SHOW(set_option(a, 200, 1, 1)); struct linger linger = {1, 5}, was; SHOW(setsockopt(a, SOL_SOCKET, SO_LINGER, &linger, sizeof linger)); size = sizeof was; SHOW(getsockopt(a, SOL_SOCKET, SO_LINGER, &was, &size)); SHOW(was.l_onoff * 10 + was.l_linger); close(a);

  puts("-- a connection");
  listening(5); NAME(l); PEER(l); POLL(l); SHOW(get_option(l, SOL_SOCKET, SO_ACCEPTCONN)); RECEIVE(l, 1, 0); SHOW(send(l, "x", 1, 0)); SHOW(connect(l, (void *)&at, sizeof at)); a = socket(AF_INET, SOCK_STREAM, 0); SHOW(connect(a, (void *)&at, sizeof at)); SHOW(connect(a, (void *)&at, sizeof at)); POLL(l); POLL(a); NAME(a); PEER(a); SHOW(send(a, "early", 5, 0)); struct sockaddr_in from; size = sizeof from; SHOW((b = accept(l, (void *)&from, &size)) > 0); SHOW(size); SHOW(ntohs(from.sin_port) == port_of(a)); NAME(b); PEER(b); SHOW(port_of(b) == port);
  RECEIVE(b, 3, MSG_PEEK); RECEIVE(b, 3, 0); POLL(b); SHOW(ioctl(b, FIONREAD, &n)); SHOW(n); RECEIVE(b, 10, 0); RECEIVE(b, 10, MSG_DONTWAIT); POLL(b); SHOW(sendto(b, "back", 4, 0, (void *)&at, sizeof at)); size = sizeof from; SHOW(recvfrom(a, text, 100, 0, (void *)&from, &size)); SHOW(size); SHOW(write(a, "", 0)); POLL(b);

  puts("-- half closed");
  SHOW(shutdown(a, SHUT_WR)); POLL(a); POLL(b); SHOW(send(a, "x", 1, 0)); RECEIVE(b, 10, 0); RECEIVE(b, 10, 0); SHOW(send(b, "still", 5, 0)); RECEIVE(a, 10, 0); SHOW(shutdown(b, SHUT_WR)); POLL(a); POLL(b); RECEIVE(a, 1, 0); over();
  connection(); SHOW(shutdown(a, SHUT_RD)); POLL(a); POLL(b); RECEIVE(a, 1, 0); SHOW(send(b, "x", 1, 0)); over();

  puts("-- the other end closes");
  connection(); close(b); usleep(1000); POLL(a); RECEIVE(a, 1, 0); SHOW(send(a, "first", 5, 0)); usleep(1000); POLL(a); SHOW(send(a, "second", 6, 0)); SHOW(send(a, "third", 5, 0)); RECEIVE(a, 1, 0); over();
  connection(); send(a, "unread", 6, 0); usleep(1000); close(b); usleep(1000); POLL(a); RECEIVE(a, 1, 0); RECEIVE(a, 1, 0); SHOW(send(a, "x", 1, 0)); PEER(a); over();
  connection(); send(a, "unread", 6, 0); usleep(1000); close(b); usleep(1000); ERROR(a); ERROR(a); POLL(a); over();
  connection(); send(b, "data", 4, 0); linger = (struct linger){1, 0}; setsockopt(b, SOL_SOCKET, SO_LINGER, &linger, sizeof linger); close(b); usleep(1000); POLL(a); SHOW(send(a, "x", 1, 0)); over();

  puts("-- nobody listens");
  listening(1); close(l); a = socket(AF_INET, SOCK_STREAM, 0); SHOW(connect(a, (void *)&at, sizeof at)); POLL(a); SHOW(connect(a, (void *)&at, sizeof at)); ERROR(a); close(a);
  a = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0); SHOW(connect(a, (void *)&at, sizeof at)); usleep(1000); POLL(a); ERROR(a); ERROR(a); close(a);
  a = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0); SHOW(connect(a, (void *)&at, sizeof at)); usleep(1000); SHOW(connect(a, (void *)&at, sizeof at)); close(a);

  puts("-- without waiting");
  listening(5); a = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0); SHOW(connect(a, (void *)&at, sizeof at)); usleep(1000); POLL(a); ERROR(a); SHOW(connect(a, (void *)&at, sizeof at)); SHOW(connect(a, (void *)&at, sizeof at)); RECEIVE(a, 1, 0); fcntl(l, F_SETFL, O_NONBLOCK); SHOW((b = accept(l, NULL, NULL)) > 0); SHOW(accept(l, NULL, NULL)); while ((n = send(a, text, sizeof text, 0)) > 0) {} SHOW(errno == EAGAIN); POLL(a); fcntl(b, F_SETFL, O_NONBLOCK); for (int i = 0; i < 3; i++) { while (recv(b, text, sizeof text, 0) > 0) {} usleep(2000); } POLL(a); over();

  puts("-- waiting");
  connection(); fflush(stdout); if (!fork()) { for (int i = 0; i < 40; i++) send(a, text, 100000, 0); _exit(0); } close(a); long total = 0; while ((n = recv(b, text, 7000, 0)) > 0) total += n; SHOW(total); wait(NULL); close(l); close(b);
  connection(); fflush(stdout); if (!fork()) { for (int i = 0; i < 5; i++) { usleep(1000); send(a, "ab", 2, 0); } _exit(0); } RECEIVE(b, 10, MSG_WAITALL); wait(NULL); over();
  connection(); struct timeval tv = {0, 10000}; setsockopt(b, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv); SHOW(read(b, text, 1)); RECEIVE(b, 1, 0); setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv); SHOW(accept(l, NULL, NULL)); over();

  puts("-- out of band");
  connection(); SHOW(recv(b, text, 1, MSG_OOB)); SHOW(send(a, "!", 1, MSG_OOB)); usleep(1000); struct pollfd urgent = {.fd = b, .events = POLLPRI}; SHOW(poll(&urgent, 1, 0)); RECEIVE(b, 1, MSG_OOB | MSG_PEEK); RECEIVE(b, 1, MSG_OOB); RECEIVE(b, 1, MSG_OOB); RECEIVE(b, 1, MSG_DONTWAIT); SHOW(set_option(b, SOL_SOCKET, SO_OOBINLINE, 1)); SHOW(send(a, "in line", 7, MSG_OOB)); usleep(1000); SHOW(recv(b, text, 1, MSG_OOB)); over();

  puts("-- ports");
  listening(5); c = socket(AF_INET, SOCK_STREAM, 0); SHOW(bind(c, (void *)&at, sizeof at)); SHOW(set_option(c, SOL_SOCKET, SO_REUSEADDR, 1)); SHOW(bind(c, (void *)&at, sizeof at)); at = where("0.0.0.0", port); SHOW(bind(c, (void *)&at, sizeof at)); at = where("127.0.0.2", port); SHOW(bind(c, (void *)&at, sizeof at)); SHOW(listen(c, 1)); at = where("127.0.0.2", port); a = socket(AF_INET, SOCK_STREAM, 0); SHOW(connect(a, (void *)&at, sizeof at)); NAME(a); POLL(c); POLL(l); close(c); over();
  int r1 = socket(AF_INET, SOCK_STREAM, 0), r2 = socket(AF_INET, SOCK_STREAM, 0); set_option(r1, SOL_SOCKET, SO_REUSEPORT, 1); set_option(r2, SOL_SOCKET, SO_REUSEPORT, 1); at = where("127.0.0.1", 0); bind(r1, (void *)&at, sizeof at); at = where("127.0.0.1", port_of(r1)); SHOW(bind(r2, (void *)&at, sizeof at)); SHOW(listen(r1, 5)); SHOW(listen(r2, 5)); close(r1); close(r2);
  r1 = socket(AF_INET, SOCK_STREAM, 0), r2 = socket(AF_INET, SOCK_STREAM, 0); set_option(r1, SOL_SOCKET, SO_REUSEADDR, 1); set_option(r2, SOL_SOCKET, SO_REUSEADDR, 1); at = where("127.0.0.1", 0); bind(r1, (void *)&at, sizeof at); at = where("127.0.0.1", port_of(r1)); SHOW(bind(r2, (void *)&at, sizeof at)); SHOW(listen(r1, 5)); SHOW(listen(r2, 5)); close(r1); close(r2);
  a = socket(AF_INET, SOCK_STREAM, 0); SHOW(listen(a, 1)); SHOW(port_of(a) > 1023); close(a); listening(3); at = where("0.0.0.0", port); a = socket(AF_INET, SOCK_STREAM, 0); SHOW(connect(a, (void *)&at, sizeof at)); PEER(a); close(l); usleep(1000); POLL(a); RECEIVE(a, 1, 0); close(a);

  puts("-- datagrams");
  a = socket(AF_INET, SOCK_DGRAM, 0); b = socket(AF_INET, SOCK_DGRAM, 0); POLL(a); NAME(a); SHOW(send(a, "x", 1, 0)); SHOW(listen(a, 1)); SHOW(shutdown(a, SHUT_RD)); at = where("127.0.0.1", 0); SHOW(bind(b, (void *)&at, sizeof at)); at = where("127.0.0.1", port_of(b)); SHOW(sendto(a, "hello", 5, 0, (void *)&at, sizeof at)); NAME(a); size = sizeof from; SHOW(recvfrom(b, text, 100, 0, (void *)&from, &size)); SHOW(size); SHOW(ntohs(from.sin_port) == port_of(a)); SHOW(sendto(a, "", 0, 0, (void *)&at, sizeof at)); SHOW(sendto(a, "three", 5, 0, (void *)&at, sizeof at)); POLL(b); RECEIVE(b, 9, 0); SHOW(ioctl(b, FIONREAD, &n)); SHOW(n); RECEIVE(b, 2, MSG_TRUNC | MSG_PEEK); RECEIVE(b, 2, 0); RECEIVE(b, 2, MSG_DONTWAIT); SHOW(sendto(a, text, 65508, 0, (void *)&at, sizeof at)); SHOW(sendto(a, text, 65507, 0, (void *)&at, sizeof at)); SHOW(recv(b, text, sizeof text, 0)); at.sin_port = 0; SHOW(sendto(a, "x", 1, 0, (void *)&at, sizeof at));
  at = where("127.0.0.1", port_of(b)); SHOW(connect(a, (void *)&at, sizeof at)); NAME(a); PEER(a); SHOW(send(a, "one", 3, 0)); RECEIVE(b, 9, 0); c = socket(AF_INET, SOCK_DGRAM, 0); at = where("127.0.0.1", port_of(a)); sendto(c, "stranger", 8, 0, (void *)&at, sizeof at); RECEIVE(a, 9, MSG_DONTWAIT); sendto(b, "friend", 6, 0, (void *)&at, sizeof at); RECEIVE(a, 9, MSG_DONTWAIT); close(b); SHOW(send(a, "gone", 4, 0)); usleep(1000); POLL(a); SHOW(send(a, "gone", 4, 0)); usleep(1000); RECEIVE(a, 9, MSG_DONTWAIT); RECEIVE(a, 9, MSG_DONTWAIT); at.sin_family = AF_UNSPEC; SHOW(connect(a, (void *)&at, sizeof at)); PEER(a); NAME(a); SHOW(send(a, "x", 1, 0)); close(a); close(c);

  puts("-- version 6");
  struct sockaddr_in6 at6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT}; l = socket(AF_INET6, SOCK_STREAM, 0); NAME(l); SHOW(get_option(l, IPPROTO_IPV6, IPV6_V6ONLY)); SHOW(bind(l, (void *)&at6, 16)); SHOW(bind(l, (void *)&at6, sizeof at6)); SHOW(set_option(l, IPPROTO_IPV6, IPV6_V6ONLY, 1)); listen(l, 5); NAME(l); at = where("127.0.0.1", port_of(l)); a = socket(AF_INET, SOCK_STREAM, 0); SHOW(connect(a, (void *)&at, sizeof at)); SHOW((b = accept(l, NULL, NULL)) > 0); PEER(b); NAME(b); close(a); close(b); a = socket(AF_INET6, SOCK_STREAM, 0); at6.sin6_port = htons(port_of(l)); at6.sin6_addr = (struct in6_addr)IN6ADDR_LOOPBACK_INIT; SHOW(connect(a, (void *)&at6, sizeof at6)); NAME(a); SHOW((b = accept(l, NULL, NULL)) > 0); PEER(b); over();
  l = socket(AF_INET6, SOCK_STREAM, 0); at6.sin6_port = 0; at6.sin6_addr = (struct in6_addr)IN6ADDR_ANY_INIT; SHOW(set_option(l, IPPROTO_IPV6, IPV6_V6ONLY, 1)); bind(l, (void *)&at6, sizeof at6); listen(l, 1); at = where("127.0.0.1", port_of(l)); a = socket(AF_INET, SOCK_STREAM, 0); SHOW(connect(a, (void *)&at, sizeof at)); SHOW(bind(a, (void *)&at, sizeof at)); close(a); close(l);
  return 0;
}
