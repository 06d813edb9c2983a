#!/bin/sh
# Needs: gcc ltrace
# The library calls of a program.
cat > library.c <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(void) {
  char *text = strdup("words");
  printf("%zu\n", strlen(text));
  free(text);
  return puts("end") < 0;
}
END
gcc -O0 -fno-builtin library.c -o library
ltrace -o log ./library
echo status $?
sed 's/0x[0-9a-f]*/X/g; s/  */ /g' log
