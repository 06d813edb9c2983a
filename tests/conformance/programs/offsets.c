/* File offsets that fork, dup, threads, exec and close share or drop: what lseek says after each. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int fd;

static void show(const char *what, long value) {
  printf("%s: %ld%s%s\n", what, value, value < 0 ? " " : "", value < 0 ? strerrorname_np(errno) : "");
  fflush(stdout);
}

static void *seek(void *unused) {
  for (int i = 0; i < 1000; i++)
    lseek(fd, i, SEEK_SET);
  lseek(fd, 7, SEEK_SET);
  return NULL;
}

int main(int argc, char **argv) {
  char bytes[16];
  if (argc > 1) { /* after exec: descriptor 9 came along */
    show("after exec", lseek(9, 0, SEEK_CUR));
    show("set after exec", lseek(9, 3, SEEK_SET));
    show("read after exec", read(9, bytes, 2));
    show("then", lseek(9, 0, SEEK_CUR));
    return 0;
  }
  char name[] = "offsets-XXXXXX";
  fd = mkstemp(name);
  show("write", write(fd, "0123456789abcdef", 16));
  show("set", lseek(fd, 4, SEEK_SET));
  show("current", lseek(fd, 0, SEEK_CUR));
  show("forward", lseek(fd, 3, SEEK_CUR));
  show("read", read(fd, bytes, 2));
  show("after read", lseek(fd, 0, SEEK_CUR));
  show("before the start", lseek(fd, -20, SEEK_CUR));
  show("negative", lseek(fd, -1, SEEK_SET));
  show("bad whence", lseek(fd, 0, 9));
  show("overflow", lseek(fd, 0x7fffffffffffffff, SEEK_CUR));
  show("end", lseek(fd, -2, SEEK_END));
  show("current", lseek(fd, 0, SEEK_CUR));
  lseek(fd, 3, SEEK_SET);
  lseek(fd, 10, SEEK_SET);
  show("end again", lseek(fd, -5, SEEK_END));
  show("current", lseek(fd, 0, SEEK_CUR));
  lseek(fd, 3, SEEK_SET);
  show("data", lseek(fd, 2, SEEK_DATA));
  show("current", lseek(fd, 0, SEEK_CUR));
  show("set", lseek(fd, 5, SEEK_SET));
  lseek(fd, 4, SEEK_SET);
  show("end after a move", lseek(fd, 0, SEEK_END));
  show("read at the end", read(fd, bytes, 4));
  show("data after a move", (lseek(fd, 9, SEEK_SET), lseek(fd, 2, SEEK_DATA)));
  show("read there", (read(fd, bytes, 4), lseek(fd, 0, SEEK_CUR)));
  lseek(fd, 5, SEEK_SET);
  int copy = dup(fd);
  show("copy", lseek(copy, 1, SEEK_CUR));
  show("original", lseek(fd, 0, SEEK_CUR));
  close(copy);
  show("closed copy", lseek(copy, 0, SEEK_CUR));
  lseek(fd, 2, SEEK_SET);
  lseek(fd, 2, SEEK_SET);
  if (fork() == 0) {
    show("child", lseek(fd, 0, SEEK_CUR));
    show("child moves", lseek(fd, 9, SEEK_SET));
    _exit(0);
  }
  wait(NULL);
  show("parent sees", lseek(fd, 0, SEEK_CUR));
  pthread_t threads[4];
  lseek(fd, 0, SEEK_SET);
  for (int i = 0; i < 4; i++)
    pthread_create(threads + i, NULL, seek, NULL);
  for (int i = 0; i < 4; i++)
    pthread_join(threads[i], NULL);
  show("after threads", lseek(fd, 0, SEEK_CUR));
  show("append", fcntl(fd, F_SETFL, O_APPEND));
  show("write at the end", write(fd, "xyz", 3));
  show("moved", lseek(fd, 0, SEEK_CUR));
  lseek(fd, 6, SEEK_SET);
  pid_t child = vfork();
  if (child == 0) {
    lseek(fd, 11, SEEK_SET);
    lseek(fd, 1, SEEK_CUR);
    _exit(0);
  }
  waitpid(child, NULL, 0);
  show("vfork child moved it", lseek(fd, 0, SEEK_CUR));
  close(fd);
  show("closed", lseek(fd, 0, SEEK_SET));
  int pipes[2];
  if (pipe(pipes))
    return 1;
  show("pipe in its place", lseek(fd, 0, SEEK_SET));
  close(pipes[0]);
  close(pipes[1]);
  fd = open(name, O_RDONLY);
  lseek(fd, 8, SEEK_SET);
  lseek(fd, 1, SEEK_CUR);
  unlink(name);
  dup2(fd, 9);
  close(fd);
  lseek(9, 1, SEEK_CUR);
  lseek(9, 1, SEEK_CUR);
  execl(argv[0], argv[0], "again", NULL);
  return 1;
}
