#!/bin/bash
# Needs: gcc ldd objdump readelf strip
cat > m.c <<'C'
#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
static __thread int tls = 5;
int shared(int);
static void *run(void *p) { tls += *(int *)p; return (void *)(long)tls; }
int main(int c, char **v) {
  void *h = dlopen("./libplug.so", RTLD_NOW), *r; int (*plug)(int) = h ? (int (*)(int))dlsym(h, "plug") : 0;
  pthread_t t; int seven = 7; pthread_create(&t, 0, run, &seven); pthread_join(t, &r);
  printf("%d %d %ld %d %.3f %s\n", shared(1), plug ? plug(2) : -1, (long)r, tls, sqrt(c + 1.0), strrchr(v[0], '/'));
  printf("%s\n", dlopen("./nosuch.so", RTLD_NOW) ? "opened" : dlerror());
  return c;
}
C
echo 'int shared(int x) { return x + 100; }' > s.c; echo 'int shared(int); int plug(int x) { return shared(x) * 2; }' > p.c
gcc -shared -fPIC s.c -o libshared.so; gcc -shared -fPIC p.c -o libplug.so -L. -lshared -Wl,-rpath,'$ORIGIN'
for flags in -O0 '-O2 -g' '-O3 -march=native' -Os '-O2 -flto' -pg -fno-pie\ -no-pie '-fsanitize=undefined' '-O2 -D_FORTIFY_SOURCE=2 -fstack-protector-all' '-m64 -pipe -save-temps'; do gcc -pthread $flags m.c -o m -L. -lshared -lm -ldl -Wl,-rpath,'$ORIGIN' && ./m; echo "$flags $?"; done
LD_LIBRARY_PATH=. ./m; ldd ./m | awk '!/vdso/ {print $1}' | sort; readelf -h m | grep Type; objdump -d m | grep -c '<main>:'; strip m; ./m x; file m | grep -o stripped; nm -D libplug.so | grep plug; size libshared.so | wc -l
echo 'int shared(int x) { return -x; }' > o.c; gcc -shared -fPIC o.c -o over.so; LD_PRELOAD=./over.so ./m; LD_PRELOAD=./none.so ./m 2>&1; LD_BIND_NOW=1 ./m; LD_DEBUG=libs ./m 2>&1 | grep -c 'calling init' | sed 's/[0-9].*/some/'
gcc -static m.c s.c -o st -lm 2>/dev/null; ./st | head -1; gcc -static-pie -O2 s.c -x c - -o sp <<< '#include <stdio.h>
int shared(int); int main(){printf("static pie %d\n", shared(1));}'; ./sp
gcc -E -dM - < /dev/null | grep -c __x86_64__; gcc -S -O2 s.c -o - | grep -c ret; gcc bad.c 2>&1; echo 'int main(){return x;}' | gcc -x c - 2>&1; echo $?; echo 'int main(void){int a[2]={1,2}; return a[1];}' | gcc -x c -fsanitize=address - -o asan && ASAN_OPTIONS=detect_leaks=0 ./asan; echo "asan $?"; echo 'int nosuch(void); int main(){return nosuch();}' | gcc -x c - 2>&1 | tail -1; gcc -c s.c; as --version | wc -l | sed 's/.*/as/'; ld -r s.o -o r.o; objcopy -O binary r.o bin; ranlib --version >/dev/null; gcov --version > /dev/null; echo 'int main(){return 0;}' > g.c; gcc --coverage g.c -o g && ./g && ls g*.gcda && gcov -n g-g.gcda | head -2; addr2line -e ./sp 0x1000; gcc -print-search-dirs | wc -l; cpp <<< '#define X 1
X' | tail -1
