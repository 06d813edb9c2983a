#!/usr/bin/busybox sh
# Needs: busybox
set -u
cat <<X
$(echo here $((1+2)))
X
for i in a b c; do echo $i; done | cat; echo $?; f() { local v=$1; echo "f $v"; return 2; }; f x; echo $?
(exit 5); echo $?; sleep 0.02 & wait $!; echo $?; trap 'echo usr' USR1; kill -USR1 $$; echo after; echo ${x:-d} ${#HOME}
x=abcdef; echo ${x#a} ${x%f} ${x:1:2} ${x/b/X}; case $x in a*) echo m;; esac; while read l; do echo "<$l>"; done <<X
l1
l2
X
cat <(echo ps) 2>/dev/null || echo no; [ -f /etc/passwd ] && [[ a == a ]] && echo ok; printf '%s\n' a b | sort -r; set -e; (false) || echo caught; ls /nothing 2>/dev/null || echo $?; busybox timeout 1 sleep 0; seq 5 | while read n; do [ $n = 3 ] && break; echo $n; done; kill -9 $$
