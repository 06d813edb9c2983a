/* runner DIRECTORY: executes every file there in a child, which may take half a second. Prints how many did what. */
#include "attack.h"
#include <dirent.h>

int main(int count, char **arguments) {
  int ran = 0, refused = 0, died = 0, ended = 0, killed = 0;
  if (count < 2 || chdir(arguments[1]) != 0)
    return 2;
  DIR *directory = opendir(".");
  struct dirent *entry;
  while ((entry = readdir(directory))) {
    if (entry->d_name[0] == '.')
      continue;
    pid_t child = fork();
    if (child == 0) {
      execl(entry->d_name, entry->d_name, NULL);
      _exit(126);
    }
    int status, tries = 100;
    struct timespec step = {0, 5000000};
    while (waitpid(child, &status, WNOHANG) == 0 && tries--)
      nanosleep(&step, NULL);
    if (tries < 0) {
      kill(child, SIGKILL);
      waitpid(child, &status, 0);
      killed++;
    } else if (WIFSIGNALED(status))
      died++;
    else if (WEXITSTATUS(status) == 126)
      refused++;
    else if (WEXITSTATUS(status) == 42)
      ran++;
    else
      ended++;
  }
  printf("refused: %d\ndied: %d\nran: %d\nended: %d\nkilled: %d\n", refused, died, ran, ended, killed);
  return 0;
}
