#!/bin/bash
# Needs: cpio
mkdir -p t/d; seq 100 > t/a; ln -s a t/l; ln t/a t/h; find t | sort | cpio -o --quiet -H newc > c; find t | sort | cpio -o --quiet -H ustar > u; cpio -t --quiet < c; cpio -tv --quiet < u | awk '{print $1, $NF}'
mkdir x; cd x; cpio -id --quiet < ../c; cmp t/a ../t/a; stat -c '%h %F' t/a t/l; cd ..; mkdir p; find t -depth | cpio -pdm --quiet p; diff -r t p/t && echo passed; find t -name a | cpio -o --quiet | cpio -t --quiet; cpio -i < /dev/null 2>&1; echo $?; ar rc lib.a t/a t/h; ar t lib.a; ar p lib.a a | md5sum
