#!/bin/bash
seq 1000 | sort -rn | head -3 | tr '\n' ' '; echo
yes | head -c 100000 | wc -c
yes | head -1; echo "${PIPESTATUS[@]}"
seq 100000 | tail -1
cat /dev/zero | head -c 1000000 | md5sum
mkfifo p; (echo through a fifo > p) & cat p; wait
mkfifo q r; (tr a-z A-Z < q > r) & echo fifo > q; cat r; wait
(for i in 1 2 3; do echo $i; done; echo e >&2) 2>&1 | sort
echo x | (read -r a; echo "$a$a")
seq 5 | while read -r n; do echo -n "$((n*n)) "; done; echo
seq 20 | xargs -n 7 echo; seq 4 | xargs -P 4 -I{} sh -c 'sleep 0.01; echo {}' | sort
seq 3 | tee a b | cat - a b | sort | uniq -c
dd if=/dev/zero bs=1k count=100 2>/dev/null | dd bs=7 2>/dev/null | wc -c
head -c 200000 /dev/urandom > r1; cat r1 | cat | cat | cmp - r1 && echo same
(sleep 0.05; echo late) | cat; : | cat; echo "empty $?"
true | false; echo $?; ! true; echo $?
sh -c 'echo a; exec 1>&-; echo b' 2>/dev/null; echo $?
trap 'echo pipe' PIPE; (echo x; sleep 0.05; echo y) | true; sleep 0.1; echo done
