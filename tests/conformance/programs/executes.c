/* execve: what is too long, what is inherited, what is not; names of programs. */
#include "show.h"
#include <sys/prctl.h>

extern char **environ;
static char *program;
static char *again(const char *how) { return (char *)how; }

static int as_child(int count, char **arguments) {
  if (strcmp(arguments[1], "count") == 0) { size_t bytes = 0; int variables = 0; for (int i = 0; i < count; i++) bytes += strlen(arguments[i]); for (char **e = environ; *e; e++) variables++, bytes += strlen(*e); printf("%d arguments, %d variables, %zu bytes\n", count - 1, variables, bytes - strlen(arguments[0])); return 0; }
  if (strcmp(arguments[1], "state") == 0) {
    sigset_t mask; sigprocmask(SIG_BLOCK, NULL, &mask); SHOW(sigismember(&mask, SIGUSR1)); SHOW(signal(SIGUSR2, SIG_DFL) == SIG_DFL); SHOW(signal(SIGHUP, SIG_DFL) == SIG_IGN); sigpending(&mask); SHOW(sigismember(&mask, SIGUSR1));
    stack_t stack; sigaltstack(NULL, &stack); SHOW(stack.ss_flags); SHOW(fcntl(50, F_GETFD)); SHOW(fcntl(51, F_GETFD)); SHOW(umask(0)); SHOW(getpriority(PRIO_PROCESS, 0)); struct rlimit limit; getrlimit(RLIMIT_CORE, &limit); SHOW(limit.rlim_cur); struct itimerval timer; getitimer(ITIMER_REAL, &timer); TRUTH(timer.it_value.tv_sec > 0); char name[16]; prctl(PR_GET_NAME, name); puts(name); puts(arguments[0]);
    return 0;
  }
  return 99;
}

static void try(const char *title, const char *path, char **arguments, char **variables) {
  fflush(stdout); pid_t child = fork();
  if (child == 0) { execve(path, arguments, variables); printf("%s: %s\n", title, strerrorname_np(errno)); fflush(stdout); _exit(1); }
  int status; waitpid(child, &status, 0); if (status) show_status(title, status);
}

int main(int count, char **arguments) {
  if (count > 1 && (strcmp(arguments[1], "count") == 0 || strcmp(arguments[1], "state") == 0)) return as_child(count, arguments);
  setrlimit(RLIMIT_STACK, &(struct rlimit){8 << 20, RLIM_INFINITY}); setrlimit(RLIMIT_CORE, &(struct rlimit){0, RLIM_INFINITY});
  char path[4096]; ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1); path[n > 0 ? n : 0] = 0; program = path;
  char *none[] = {NULL}, *counted[] = {again("x"), again("count"), NULL};

  puts("-- lengths");
  static char *many[300002]; char *kilo = malloc(1025); memset(kilo, 'k', 1024); kilo[1024] = 0; char *big = malloc(131073); memset(big, 'b', 131072); big[131072] = 0;
  many[0] = again("x"); many[1] = again("count");
  for (int i = 2; i < 1500; i++) many[i] = kilo;
  try("1.5 MB of arguments", program, many, none);
  for (int i = 1500; i < 2100; i++) many[i] = kilo;
  try("2.1 MB of arguments", program, many, none);
  for (int i = 2; i < 100000; i++) many[i] = again("a");
  for (int i = 100000; i < 300002; i++) many[i] = NULL;
  try("100,000 arguments", program, many, none);
  char *one[] = {again("x"), again("count"), big, NULL}; try("an argument of 128 KiB", program, one, none); big[131071] = 0; try("an argument of one byte less", program, one, none);
  char *wide[] = {big, NULL}; try("a variable of that size", program, counted, wide); try("no arguments", "/bin/true", none, none);

  puts("-- paths");
  char *args[] = {again("x"), NULL}; mkdir("d", 0755); close(open("plain", O_WRONLY | O_CREAT, 0644)); close(open("empty", O_WRONLY | O_CREAT, 0755)); symlink("loop", "loop"); memset(big, 'p', 5000); big[5000] = 0;
  try("missing", "none", args, none); try("directory", "d", args, none); try("not executable", "plain", args, none); try("empty file", "empty", args, none); try("loop", "loop", args, none); try("through a file", "plain/x", args, none); try("too long", big, args, none); try("bad pointer", (char *)8, args, none); try("bad arguments", "/bin/true", (char **)8, none); try("empty name", "", args, none); try("null arguments", "/bin/true", NULL, NULL);

  puts("-- what is kept");
  sigset_t mask; sigemptyset(&mask); sigaddset(&mask, SIGUSR1); sigprocmask(SIG_BLOCK, &mask, NULL); raise(SIGUSR1); signal(SIGUSR2, exit); signal(SIGHUP, SIG_IGN); stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536}; sigaltstack(&stack, NULL); dup2(1, 50); dup2(1, 51); fcntl(51, F_SETFD, FD_CLOEXEC); umask(027); alarm(100); prctl(PR_SET_NAME, "renamed"); setpriority(PRIO_PROCESS, 0, 4);
  char *state[] = {again("a name of its own"), again("state"), NULL}; fflush(stdout); execve(program, state, none);
  perror("execve");
  return 1;
}
