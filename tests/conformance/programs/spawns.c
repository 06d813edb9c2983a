/* exec, vfork, posix_spawn: what fails and how, what a new program keeps. */
#include "show.h"
#include <spawn.h>

extern char **environ;
static void nothing(int number) { (void)number; }
static void script(const char *path, const char *text, int mode) { put(path, text); chmod(path, mode); }
#define TRY(...) CHILD(#__VA_ARGS__, SHOW(__VA_ARGS__))

int main(int argc, char **argv) {
  char *none[] = {NULL}, *hello[] = {"echo", "hello", NULL};
  int status;
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (argc > 1 && !strcmp(argv[1], "report")) { /* what the new program sees */
    sigset_t mask, pending; struct sigaction action;
    sigprocmask(SIG_BLOCK, NULL, &mask); sigpending(&pending);
    printf("arguments %d:", argc); for (int i = 1; i < argc; i++) printf(" [%s]", argv[i]);
    printf("\nenvironment:"); for (char **e = environ; *e; e++) printf(" %s", *e);
    printf("\nblocked %d pending %d", sigismember(&mask, SIGUSR1), sigismember(&pending, SIGUSR1));
    sigaction(SIGUSR2, NULL, &action); printf(" ignored %d", action.sa_handler == SIG_IGN);
    sigaction(SIGTERM, NULL, &action); printf(" default %d", action.sa_handler == SIG_DFL);
    printf(" fd10 %d fd11 %d umask %o\n", fcntl(10, F_GETFD), fcntl(11, F_GETFD), umask(0));
    return 21;
  }
  char self[PATH_MAX] = ""; readlink("/proc/self/exe", self, sizeof self - 1);

  puts("-- failures");
  script("plain", "not a program\n", 0644); script("nothing", "", 0755); script("garbage", "\x7f" "ELFgarbage that is no program at all...........................", 0755); script("noint", "#!/none/sh\necho x\n", 0755); script("self", "#!./self\n", 0755); script("dirint", "#!/tmp\n", 0755); mkdir("dir", 0755); symlink("loop", "loop");
  TRY(execve("none", none, none)); TRY(execve("plain", none, none)); TRY(execve("dir", none, none)); TRY(execve("plain/x", none, none)); TRY(execve("noint", hello, none)); TRY(execve("dirint", hello, none)); TRY(execve("loop", none, none)); TRY(execve("", none, none)); TRY(execve("nothing", hello, none)); TRY(execve("garbage", hello, none)); TRY(execve((char *)8, hello, none)); TRY(execve("/bin/true", (char **)8, none)); TRY(execve("self", hello, none));
  char *huge = malloc(200000); memset(huge, 'h', 199999); huge[199999] = 0; char *much[] = {"echo", huge, NULL}; TRY(execve("/bin/echo", much, none));
  char **many = calloc(200001, sizeof *many); for (int i = 0; i < 200000; i++) many[i] = "twenty bytes of text"; TRY(execve("/bin/true", many, none));
  char *fair[101]; huge[1000] = 0; for (int i = 0; i < 100; i++) fair[i] = huge; fair[100] = NULL; CHILD("100 kB of arguments", execve("/bin/true", fair, none));

  puts("-- interpreters");
  script("one", "#!/bin/echo\n", 0755); script("two", "#! /bin/echo  an argument  \n", 0755); script("three", "#!./two\n", 0755); script("four", "#!/bin/sh\necho \"$0\" \"$@\"\nexit 6\n", 0755); script("noend", "#!/bin/echo", 0755); script("text", "echo from text\n", 0755);
  char *words[] = {"zero", "a b", "c", NULL};
  CHILD("one", execve("./one", words, none)); CHILD("two", execve("./two", words, none)); CHILD("three", execve("./three", words, none)); CHILD("four", execve("./four", words, none)); CHILD("noend", execve("noend", words, none)); CHILD("text", execlp("./text", "text", (char *)NULL)); CHILD("nothing by execlp", execlp("./nothing", "nothing", (char *)NULL));

  puts("-- what stays");
  sigset_t set; sigemptyset(&set); sigaddset(&set, SIGUSR1);
  CHILD("report", { char *w[] = {"spawns", "report", "", "x y", NULL}, *e[] = {"A=1", "B=", NULL}; sigprocmask(SIG_BLOCK, &set, NULL); raise(SIGUSR1); signal(SIGUSR2, SIG_IGN); catch(SIGTERM, nothing, 0); dup2(1, 10); dup3(1, 11, O_CLOEXEC); umask(027); execve(self, w, e); });
  CHILD("fexecve", { int fd = open("/bin/echo", O_RDONLY | O_CLOEXEC); fexecve(fd, hello, none); }); CHILD("execveat", { int fd = open("/bin", O_RDONLY); syscall(SYS_execveat, fd, "echo", hello, none, 0); }); CHILD("no arguments", execve("/bin/true", none, none));
  setenv("SPAWNED", "yes", 1); CHILD("execvp", { char *w[] = {"sh", "-c", "echo $SPAWNED $0 $1; kill -9 $$", "zero", "one", NULL}; execvp("sh", w); });

  puts("-- vfork");
  static volatile int shared; int pid = vfork(); if (pid == 0) { shared = 5; _exit(9); } waitpid(pid, &status, 0); show_status("vfork", status); SHOW(shared);
  pid = vfork(); if (pid == 0) { execve("/bin/echo", hello, none); _exit(1); } waitpid(pid, &status, 0); show_status("vfork, exec", status); pid = vfork(); if (pid == 0) { execve("none", hello, none); shared = errno; _exit(127); } waitpid(pid, &status, 0); show_status("vfork, failed exec", status); TRUTH(shared == ENOENT);

  puts("-- posix_spawn");
  pid_t child; printf("%s\n", strerrorname_np(posix_spawn(&child, "none", NULL, NULL, hello, none))); printf("%s\n", strerrorname_np(posix_spawn(&child, "plain", NULL, NULL, hello, none))); printf("%s\n", strerrorname_np(posix_spawnp(&child, "surely-not-there", NULL, NULL, hello, none)));
  posix_spawn_file_actions_t actions; posix_spawn_file_actions_init(&actions); posix_spawn_file_actions_addopen(&actions, 1, "spawned", O_WRONLY | O_CREAT, 0600); posix_spawn_file_actions_adddup2(&actions, 1, 2); SHOW(posix_spawn(&child, "/bin/echo", &actions, NULL, hello, none)); waitpid(child, &status, 0); show_status("spawned", status); cat("spawned");
  SHOW(WEXITSTATUS(system("exit 3"))); SHOW(WEXITSTATUS(system("echo from system"))); FILE *in = popen("echo popen; exit 2", "r"); char line[64]; fgets(line, sizeof line, in); printf("%s", line); SHOW(WEXITSTATUS(pclose(in)));
  return 0;
}
