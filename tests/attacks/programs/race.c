/* race HOW PLACE ROUNDS: names in PLACE change what they mean while they are looked up.
 *
 * PLACE/a is a directory with a file "secret" (it says "inner"), PLACE/b a link to a directory beside PLACE where "secret" says "xyzzy".
 * HOW is "swap": exchange them until killed; "use": ROUNDS times, do through PLACE/a what would be seen behind the link; "both": in threads.
 * Prints how often it got out.
 */
#include "attack.h"
#include <sys/stat.h>

static char path[16][600];
static volatile int stop;
static long escaped, inner;

static void *swap(void *unused) {
  while (!stop)
    raw6(SYS_renameat2, AT_FDCWD, (long)path[0], AT_FDCWD, (long)path[1], 2, 0); /* RENAME_EXCHANGE */
  return unused;
}

static void look(int file) {
  char data[16] = "";
  if (file < 0)
    return;
  read(file, data, 15);
  escaped += strncmp(data, "xyzzy", 5) == 0;
  inner += strncmp(data, "inner", 5) == 0;
  close(file);
}

static void use(long rounds) {
  struct stat status;
  char linked[600];
  for (long i = 0; i < rounds; i++) {
    look(open(path[2], O_RDONLY));
    int directory = open(path[0], O_RDONLY | O_DIRECTORY);
    look(openat(directory, "secret", O_RDONLY));
    look(openat(directory, "../../outside/secret", O_RDONLY));
    close(directory);
    look(open(path[3], O_RDONLY));
    if (stat(path[4], &status) == 0) /* only there */
      escaped++;
    if (readlink(path[5], linked, sizeof linked) > 0) /* only there */
      escaped++;
    close(open(path[6], O_WRONLY | O_CREAT, 0600));
    mkdir(path[7], 0700);
    link(path[2], path[8]);
    unlink(path[8]);
    chmod(path[2], 0640);
    rename(path[6], path[9]);
    unlink(path[9]);
    rmdir(path[7]);
    symlink("x", path[10]);
    unlink(path[10]);
  }
}

int main(int count, char **arguments) {
  static const char *const names[] = {"a",          "b",        "a/secret", "a/../../outside/secret", "a/only", "a/only-link",
                                      "a/made", "a/directory", "a/linked", "a/moved",                "a/soft"};
  if (count < 4)
    return 2;
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
    snprintf(path[i], sizeof path[i], "%s/%s", arguments[2], names[i]);
  pthread_t thread;
  if (strcmp(arguments[1], "swap") == 0)
    swap(NULL);
  if (strcmp(arguments[1], "both") == 0)
    pthread_create(&thread, NULL, swap, NULL);
  use(atol(arguments[3]));
  stop = 1;
  printf("escaped: %ld\ninner: %ld\n", escaped, inner);
  return 0;
}
