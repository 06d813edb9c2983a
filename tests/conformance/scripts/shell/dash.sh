#!/bin/dash
# Needs: dash
cat <<X
here $((6*7)) `echo old` $(echo new)
X
f() { echo "f: $*"; }; f 1 2 3 | tr 1 x
(exit 3) || echo "failed $?"
trap 'echo got usr1' USR1; kill -USR1 $$; echo after
sleep 0.02 & wait $!; echo "waited $?"
sh -c 'kill -TERM $$'; echo "term $?"
x=abc; echo ${x#a} ${x%c} ${#x} ${y:-none} ${y:=set} $y
for i in a b c; do [ $i = b ] && continue; echo $i; done
i=0; while [ $i -lt 3 ]; do i=$((i+1)); done; echo $i
case abc in a*) echo yes;; esac
set -- $(echo split these words); echo $# "$3"
printf '%s-%d\n' a 1 b 2
echo a > f; echo b >> f; cat < f; cat f f | wc -l
exec 3< f; read x <&3; read y <&3; read z <&3; echo "$? $x $y"
ls nothing 2>/dev/null || echo "ls failed"
test -d / && test ! -e /nonexistent && test f -nt /etc/passwd && echo tests
umask 027; touch g; stat -c %a g; umask
cd /usr/../tmp && pwd; cd - > /dev/null; command -v ls; type cd
eval "echo \$((1+1))"; . /dev/null; readonly r=1; (r=2) 2>/dev/null || echo "read only"
nosuchcommand 2>/dev/null; echo $?; ./f 2>/dev/null; echo $?
trap 'echo bye; exit 6' EXIT; set -e; false; echo never
