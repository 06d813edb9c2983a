#!/bin/bash
mkdir -p d/e/f; mkdir -m 700 p; stat -c '%a %F' p d; echo x > d/x; echo yy > d/e/yy
cp -r d c; cp -a d a; cp -p d/x px; cp -l d/x hard; cp -s "$PWD/d/x" soft; stat -c '%h %N' hard; readlink soft | sed "s,$PWD,,"
ls -R c; ls -1F d; ls -a d; ls -d d; ls -s1 --block-size=1 d | wc -l; ls -l d | awk '{print $1, $2, $5, $NF}'
mv c moved; mv -n px hard; mv -T moved m2; mv d/x d/z; ls d m2; mv nothing there 2>&1
ln -s d/z sym; ln d/z h2; ln -sf d/e sym2; ls -L sym2; stat -c '%F %s' sym; stat -Lc '%F %s' sym; readlink -f sym | sed "s,$PWD,,"
rm -r a; rm nothing 2>&1; rm -f nothing; rm d 2>&1; rmdir d 2>&1; mkdir -p q/r; rmdir -p q/r; ls
touch -d '2001-02-03 04:05:06.789' t; stat -c '%y %Y' t; touch -r t u; stat -c %Y u; touch -a -d @5 u; stat -c '%X %Y' u; touch -c no; ls no 2>&1
chmod 4755 t; stat -c %A t; chmod u-s,g+w,o= t; stat -c %A t; chmod -R a+X d; chmod --reference=u t; stat -c %a t; chmod 0 t; stat -c %A t
chown $(id -u):$(id -g) t; chgrp $(id -g) t; echo $?; install -D -m 640 d/z i/n/s; stat -c '%a %n' i/n/s; install -d i/d; ls i
truncate -s 1000 big; stat -c '%s' big; truncate -s +24 big; stat -c %s big; truncate -s 10 big; wc -c big; fallocate -l 4096 fa; stat -c %s fa
dd if=/dev/zero of=dd bs=100 count=3 2>&1 | head -2; dd if=/dev/zero of=dd bs=1 seek=1000 count=1 2>/dev/null; stat -c %s dd; dd if=dd bs=10 skip=100 status=none | od -An -tx1
dd if=d/z of=z2 conv=ucase,notrunc status=none; printf 'abc' | dd conv=swab status=none; echo; printf xyz | dd of=z2 conv=notrunc oflag=append status=none; cat z2
t=$(mktemp -d -p . tmp.XXXX); stat -c %a $t; rmdir $t; f=$(mktemp -p .); stat -c '%a %s' $f; rm $f; touch t; mkfifo fi; stat -c %F fi; mknod nod p; stat -c %F nod
test -e d && test -d d && test -f d/z && test -L sym && test -p fi && test -s d/z && test -w d/z && test ! -x d/z; echo $?
realpath d/../d/./e | sed "s,$PWD,,"; realpath -m no/such | sed "s,$PWD,,"; dirname /a/b/c; basename /a/b/c.txt .txt; pathchk -p 'a b'; echo $?
link d/z l3; unlink l3; ls l3 2>&1; shred -u z2; ls z2 2>&1; sync; sync d/z; echo $?; du -s --apparent-size d/z | cut -f1; df . | wc -l; df -h / | wc -l
stat -f -c %T / > /dev/null; echo $?; vdir d | wc -l; dir d; cp --sparse=always dd sp; cmp dd sp; echo $?; cp -u d/z u2; cp -b d/z u2; ls u2*; mv -b d/z u2; ls u2*
mkdir full; touch full/{1..200}; ls full | wc -l; rm full/*5; ls full | wc -l; rm -rf full; ls -d full 2>&1; mkdir -p $(printf 'a/%.0s' {1..50}); find a | wc -l; rm -r a
: > "odd name
with newline"; ls --quoting-style=c; ls -b o*; rm o*; echo data > -- ; cat ./--; cd d; cd ..; pwd -P | sed 's/[0-9]*$//'; ls -i d/e/yy | wc -w; cat nothing d 2>&1; stat nothing 2>&1
