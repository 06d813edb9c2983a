/* sendmsg, recvmsg and their many forms: vectors, rights, credentials, truncation. */
#include "sockets.h"

static char control[4096];

static ssize_t send_rights(int to, const char *data, int flags, int count, const int *fds) {
  struct iovec part = {(void *)data, strlen(data)};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(count * sizeof(int))};
  struct cmsghdr *head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET, head->cmsg_type = SCM_RIGHTS, head->cmsg_len = CMSG_LEN(count * sizeof(int));
  memcpy(CMSG_DATA(head), fds, count * sizeof(int));
  return sendmsg(to, &message, flags);
}
static int show_message(int from, size_t room, size_t control_room, int flags, const char *title) {
  char text[200] = "";
  int got = -1;
  struct sockaddr_un name;
  struct iovec parts[2] = {{text, room < 3 ? room : 3}, {text + 3, room < 3 ? 0 : room - 3}};
  struct msghdr message = {.msg_name = &name, .msg_namelen = sizeof name, .msg_iov = parts, .msg_iovlen = 2, .msg_control = control, .msg_controllen = control_room};
  ssize_t count = recvmsg(from, &message, flags);
  if (count < 0) { printf("%s = -1 %s\n", title, strerrorname_np(errno)); return -1; }
  printf("%s = %zd \"%s\" name %u control %zu flags %#x", title, count, text, message.msg_namelen, message.msg_controllen, message.msg_flags);
  for (struct cmsghdr *head = CMSG_FIRSTHDR(&message); head; head = CMSG_NXTHDR(&message, head)) {
    printf(" [%d %d %zu]", head->cmsg_level, head->cmsg_type, head->cmsg_len);
    if (head->cmsg_type == SCM_RIGHTS) for (size_t i = 0; i < (head->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) { got = ((int *)CMSG_DATA(head))[i]; printf(" fd%s", fcntl(got, F_GETFD) == FD_CLOEXEC ? " cloexec" : ""); }
    if (head->cmsg_type == SCM_CREDENTIALS) { struct ucred *who = (void *)CMSG_DATA(head); printf(" %s %s", who->pid == getpid() ? "own pid" : "pid", who->uid == getuid() ? "own uid" : "uid"); }
  }
  puts("");
  return got;
}
#define MESSAGE(from, room, control_room, flags) show_message(from, room, control_room, flags, "recvmsg(" #room ", " #control_room ", " #flags ")")

int main(void) {
  int p[2], q[2], fds[300], got;
  char text[100];
  setvbuf(stdout, NULL, _IOLBF, 0); signal(SIGPIPE, SIG_IGN);
  for (int i = 0; i < 300; i++) fds[i] = 1;

  puts("-- rights");
  socketpair(AF_UNIX, SOCK_STREAM, 0, p); pipe(q);
  SHOW(send_rights(p[0], "end", 0, 1, &q[1])); SHOW(close(q[1])); SHOW(fcntl(q[0], F_SETFL, O_NONBLOCK)); SHOW(read(q[0], text, 1)); got = MESSAGE(p[1], 10, 100, 0); SHOW(write(got, "through", 7)); SHOW(read(q[0], text, 100)); close(got); SHOW(read(q[0], text, 100));
  SHOW(send_rights(p[0], "two", 0, 2, fds)); close(MESSAGE(p[1], 10, 100, MSG_CMSG_CLOEXEC)); SHOW(send_rights(p[0], "bad", 0, 1, (int[]){999})); SHOW(send_rights(p[0], "many", 0, 253, fds)); SHOW(send_rights(p[0], "too many", 0, 254, fds)); SHOW(recv(p[1], text, 100, 0)); SHOW(send_rights(p[0], "", 0, 1, fds)); MESSAGE(p[1], 10, 100, MSG_DONTWAIT);
  SHOW(send_rights(p[0], "cut", 0, 3, fds)); MESSAGE(p[1], 10, CMSG_LEN(2 * sizeof(int)), 0); SHOW(send_rights(p[0], "cut", 0, 1, fds)); MESSAGE(p[1], 10, 16, 0); SHOW(send_rights(p[0], "cut", 0, 1, fds)); MESSAGE(p[1], 10, 10, 0); SHOW(send_rights(p[0], "none", 0, 1, fds)); MESSAGE(p[1], 10, 0, 0);
  puts("-- rights in a stream"); write(p[0], "aa", 2); send_rights(p[0], "bb", 0, 1, fds); write(p[0], "cc", 2); MESSAGE(p[1], 10, 100, MSG_PEEK); MESSAGE(p[1], 10, 100, 0); MESSAGE(p[1], 10, 100, 0); send_rights(p[0], "long one", 0, 1, fds); MESSAGE(p[1], 4, 100, 0); MESSAGE(p[1], 10, 100, 0);
  puts("-- a socket through itself"); SHOW(send_rights(p[0], "self", 0, 2, p)); got = MESSAGE(p[1], 10, 100, 0); SHOW(write(got, "x", 1)); SHOW(read(p[0], text, 10)); close(p[0]); close(p[1]);
  puts("-- the sender is gone"); socketpair(AF_UNIX, SOCK_DGRAM, 0, p); pipe(q); send_rights(p[0], "kept", 0, 1, &q[1]); close(p[0]); close(q[1]); got = MESSAGE(p[1], 10, 100, 0); SHOW(write(got, "x", 1)); close(got); close(p[1]);
  puts("-- the receiver is gone"); socketpair(AF_UNIX, SOCK_STREAM, 0, p); pipe(q); send_rights(p[0], "lost", 0, 1, &q[1]); close(q[1]); close(p[1]); SHOW(read(q[0], text, 1)); close(p[0]);

  puts("-- credentials");
  socketpair(AF_UNIX, SOCK_STREAM, 0, p); SHOW(set_option(p[1], SOL_SOCKET, SO_PASSCRED, 1)); SHOW(get_option(p[1], SOL_SOCKET, SO_PASSCRED)); send(p[0], "who", 3, 0); MESSAGE(p[1], 10, 100, 0); send_rights(p[0], "both", 0, 1, fds); MESSAGE(p[1], 10, 100, 0); send(p[0], "cut", 3, 0); MESSAGE(p[1], 10, 20, 0);
  fflush(stdout); if (!fork()) { send(p[0], "child", 5, 0); _exit(0); } wait(NULL); send(p[0], "parent", 6, 0); MESSAGE(p[1], 100, 100, 0); MESSAGE(p[1], 100, 100, 0); close(p[0]); close(p[1]);

  puts("-- forms");
  socketpair(AF_UNIX, SOCK_DGRAM, 0, p); struct iovec parts[3] = {{"one", 3}, {NULL, 0}, {" two", 4}}; struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};
  SHOW(sendmsg(p[0], &message, 0)); MESSAGE(p[1], 5, 0, 0); SHOW(sendmsg(p[0], &message, 0)); MESSAGE(p[1], 5, 0, MSG_TRUNC); SHOW(sendmsg(p[0], NULL, 0)); SHOW(recvmsg(p[0], NULL, MSG_DONTWAIT)); message.msg_iovlen = 2000; SHOW(sendmsg(p[0], &message, 0)); message.msg_iovlen = 1; SHOW(writev(p[0], parts, 3)); char a[3], b[10]; struct iovec in[2] = {{a, 3}, {b, 10}}; SHOW(readv(p[1], in, 2)); MESSAGE(p[1], 5, 0, MSG_DONTWAIT);
  struct cmsghdr wrong = {.cmsg_len = 3, .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}; message.msg_control = &wrong; message.msg_controllen = sizeof wrong; SHOW(sendmsg(p[0], &message, 0)); wrong.cmsg_len = sizeof wrong; wrong.cmsg_type = 77; SHOW(sendmsg(p[0], &message, 0)); message.msg_control = NULL; message.msg_controllen = 0;
  struct mmsghdr many[4]; for (int i = 0; i < 4; i++) many[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &parts[i % 3], .msg_iovlen = 1}}; SHOW(sendmmsg(p[0], many, 4, 0)); SHOW(many[2].msg_len); char texts[4][8]; struct iovec rooms[4]; for (int i = 0; i < 4; i++) { rooms[i] = (struct iovec){texts[i], 8}; many[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &rooms[i], .msg_iovlen = 1}}; }
  SHOW(recvmmsg(p[1], many, 3, 0, NULL)); SHOW(many[0].msg_len); SHOW(many[1].msg_len); SHOW(many[2].msg_len); SHOW(recvmmsg(p[1], many, 4, MSG_DONTWAIT, NULL)); SHOW(recvmmsg(p[1], many, 4, MSG_DONTWAIT, NULL)); write(p[0], "x", 1); SHOW(recvmmsg(p[1], many, 4, MSG_WAITFORONE, NULL)); close(p[0]); SHOW(sendmmsg(p[1], many, 2, 0)); close(p[1]);
  SHOW(send(0, "x", 1, 0)); SHOW(recv(99, text, 1, 0)); SHOW(sendmsg(1, &message, 0));
  return 0;
}
