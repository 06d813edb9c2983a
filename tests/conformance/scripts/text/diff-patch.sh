#!/bin/bash
# Needs: patch
seq 30 > a; sed 's/^7$/seven/; 15d; 20a\twenty and a half' a > b
diff a b; diff -c a b | grep -v '^[*-][*-][*-] [ab]'; diff -u --label x --label y a b > p; cat p; diff -e a b; diff -n a b; diff --brief a b; diff a a; echo $?
cp a c; patch c p; cmp b c && echo patched; patch -R c p; cmp a c && echo reversed; patch --dry-run c p; patch -p0 nosuch p </dev/null 2>&1; echo $?
sed -i '7s/.*/conflict/' c; patch c p; echo $?; ls c*; cat c.rej; mkdir d1 d2; echo 1 > d1/f; echo 2 > d2/f; echo only > d1/g; diff -r d1 d2; diff -rN -u --label l --label m d1 d2 > q; (cd d1; patch -p1 < ../q 2>&1 | head -3); ls d1
diff -w <(echo 'a  b') <(echo 'a b') && echo white; diff -i <(echo A) <(echo a) && echo case; diff -B <(printf 'a\n\nb\n') <(printf 'a\nb\n') && echo blank; diff --side-by-side -W 20 <(echo x) <(echo y); diff /dev/null a | wc -l; diff nothing a 2>&1; echo $?; cmp a b; cmp -n 5 a b; diff3 -m a b c | head -5; wdiff a b 2>/dev/null; ed -s a <<< $'1,3p\n/seven/p\nq' 2>&1
