#!/bin/bash
sleep 0.05 & first=$!
(exit 7) & second=$!
wait $second; echo "second $?"
wait $first; echo "first $?"
wait 99999999 2>/dev/null; echo "none $?"
{ sleep 30 & kill $!; wait $!; } 2>/dev/null; echo "killed $?"
{ sleep 30 & kill -KILL $!; wait $!; } 2>/dev/null; echo "killed $?"
{ sleep 30 & sleep 0.1; kill -STOP $!; kill -CONT $!; kill -INT $!; kill $!; wait $!; } 2>/dev/null; echo "stopped, continued, killed $?"
for i in 3 1 2; do (sleep 0.0$i; exit $i) & done
wait -n; echo "first to end $?"; wait; echo "all $?"
jobs | wc -l
set -m
sleep 0.3 | cat & jobs | sed 's/^\[\([0-9]*\)\]\([+-]\).*Running.*/job \1 \2 runs/'
fg %1 >/dev/null; echo "foreground $?"
set +m
coproc C { while read -r line; do echo "got $line"; done; }
echo hello >&"${C[1]}"; read -r answer <&"${C[0]}"; echo "$answer"
exec {C[1]}>&-; wait; echo "coproc ended $?"
diff <(seq 3) <(seq 4); echo "diff $?"
tee >(sort -r > sorted) <<< $'b\na\nc' >/dev/null; for _ in 1 2 3 4 5 6 7 8 9 10; do [ -s sorted ] && break; sleep 0.02; done; cat sorted
(trap 'echo usr1' USR1; kill -USR1 $BASHPID; echo after)
(trap '' TERM; kill $BASHPID; echo survived); echo $?
{ (trap 'echo bye' EXIT; kill -TERM $BASHPID); } 2>/dev/null; echo "term $?"
(trap 'echo error on line' ERR; false; true)
{ (kill -SEGV $BASHPID); } 2>/dev/null; echo "segv $?"
(set -e; false; echo never); echo "set -e $?"
(set -e; if false; then :; fi; false || true; echo here); echo $?
(set -o pipefail; false | true; echo "pipefail $?"; true | false | true; echo "${PIPESTATUS[@]}")
timeout 0.05 sleep 5; echo "timeout $?"
{ timeout -s KILL 0.05 sleep 5; } 2>/dev/null; echo "timeout kill $?"
timeout --preserve-status 0.05 sleep 5; echo "timeout preserved $?"
timeout 5 sh -c 'exit 9'; echo "in time $?"
read -t 0.02 nothing < <(sleep 1); echo "read -t $((($?) > 128))"
(ulimit -n 20; ulimit -n; exec 25< /dev/null) 2>&1 | sed 's/.*: line [0-9]*: //'
{ (ulimit -f 1; head -c 10000 /dev/zero > big); } 2>/dev/null; echo "file size $?"; stat -c %s big
{ (ulimit -t 1; while :; do :; done); } 2>/dev/null; echo "cpu $?"
kill -0 $$ && echo alive; kill -l 15 9 2; kill -0 1073741824 2>/dev/null; echo $?
exec 3> three; echo to three >&3; exec 3>&-; cat three
exec 4<> rw; echo first >&4; exec 4>&-; cat rw
exec 5< <(echo from a process); read -r x <&5; echo "$x"; exec 5<&-
{ echo out; echo err >&2; } 2>&1 >/dev/null | sed 's/^/piped /'
echo closed >&9 2>/dev/null || echo "bad descriptor"
exec > all; echo in the file; exec > /dev/stderr; cat all
