#!/bin/bash
# Needs: rsync cp tar setfattr getfattr fallocate flock truncate
# Copies that keep attributes, links and holes; locks; sizes.
exec 2>&1
mkdir src; echo hello > src/a; ln src/a src/b; ln -s a src/l; mkfifo src/p; truncate -s 3M src/sparse; printf x | dd of=src/sparse bs=1 seek=1M conv=notrunc status=none
setfattr -n user.note -v val src/a; setfattr -n user.dir -v d src; chmod 4755 src/a; touch -d '2001-02-03 04:05:06.789 UTC' src/a
echo "-- rsync"; rsync -aXHS src/ r/; getfattr -d r/a r; stat -c '%n %A %s %h' r/* | sort; stat -c %Y r/a; du -k r/sparse | cut -f1; rsync -aXHi src/ r/
echo "-- cp"; cp -a --sparse=always src c; getfattr -d c/a; du -k c/sparse | cut -f1; cp --reflink=auto src/sparse c2; cmp c2 src/sparse && echo same; cp --sparse=never src/sparse c3; du -k c3 | cut -f1
echo "-- tar"; tar --xattrs -S -cf t.tar src; mkdir t; tar --xattrs -C t -xf t.tar; getfattr -d t/src/a t/src; du -k t/src/sparse | cut -f1; stat -c '%A %h %Y' t/src/a
echo "-- sizes"; fallocate -l 1M fa; stat -c '%s %b' fa; fallocate -p -o 0 -l 512K fa; stat -c '%s %b' fa; fallocate -n -l 2M fa; stat -c %s fa; truncate -s +10 fa; stat -c %s fa; truncate -s '<100' fa; stat -c %s fa; truncate -r src/sparse fa; stat -c %s fa
echo "-- flock"; flock lock sh -c 'flock -n lock echo got || echo busy'; flock -s lock sh -c 'flock -sn lock echo shared'; flock -w 0.1 lock echo ok; (flock -x 9; flock -n lock echo no || echo held) 9>lock
echo "-- attributes"; setfattr -x user.note src/a; getfattr -d src/a; getfattr -n user.none src/a; setfattr -n bad -v 1 src/a; setfattr -n user.l -h -v 1 src/l; getfattr -R -d src | sort
echo "-- names"; ln -f src/a src/b; ln -sf b src/l; readlink src/l; mv -n src/a src/b; mv -T src moved; ls moved; install -m 600 -D moved/sparse i/j/k; stat -c '%a %s' i/j/k; sync -f . && echo syncfs; sync -d moved/b && echo fdatasync
