#!/bin/bash
# Needs: make gcc ar
mkdir src inc; for i in 1 2 3 4 5 6; do printf '#include "p.h"\nint f%d(void) { return N * %d; }\n' $i $i > src/f$i.c; done; echo '#define N 2' > inc/p.h
printf '#include <stdio.h>\n#include "p.h"\nint f1(void), f6(void);\nint main(void) { printf("%%d %%d\\n", f1(), f6()); return 7; }\n' > src/main.c
cat > Makefile <<'M'
CFLAGS = -O2 -Wall -Iinc -MMD
OBJECTS = $(patsubst src/%.c,out/%.o,$(filter-out src/main.c,$(sort $(wildcard src/*.c))))
prog: out/main.o libf.a
	$(CC) -o $@ $^
libf.a: $(OBJECTS)
	$(AR) rcsD $@ $^
out/%.o: src/%.c | out
	$(CC) $(CFLAGS) -c -o $@ $<
out:
	mkdir $@
clean: ; rm -rf out prog libf.a
-include $(wildcard out/*.d)
fail: ; @false
sub: ; @$(MAKE) --no-print-directory -C inc -f ../sub.mk
.PHONY: clean fail sub
M
echo 'all: a b; @echo all in $(notdir $(CURDIR)) of $(words $(MAKEFLAGS))' > sub.mk; echo 'a b: ; @sleep 0.02; echo $@ >&2' >> sub.mk
make -j2 > log; sort log; ./prog; echo $?; make; make -q prog; echo $?; touch -d '+1 minute' inc/p.h; make -n 2>/dev/null | wc -l; touch inc/p.h; rm -rf out; make -j8 -s; ./prog; nm libf.a | grep -c ' T '; ar t libf.a; make fail 2>&1 | sed 's/make\[.*\]/make/'; echo $?; make -j2 sub 2>&1 | sort; make -s nosuch 2>&1; make -k fail nosuch 2>&1 | sort; make clean; ls; make -j4 -O -s; ./prog; make --eval='x: ; @echo $(shell echo shell) $(origin CC)' x; make -p -n | grep -c '^CC ='; MAKEFLAGS=-j3 make -s prog; make -B -s; ./prog
