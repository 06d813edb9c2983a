#!/bin/bash
printf 'delta 4\nalpha 1\ncharlie 30\nbravo 2\nalpha 1\n' > f; printf 'alpha x\nbravo y\nzulu z\n' | sort > g; seq 30 > n
sort f; sort -u f; sort -k2,2n f; sort -rk2 f; sort -c f 2>&1; sort -R n | sort -n | cmp - n; sort -S 1M --parallel=2 -rn n | head -2; sort -o f f; sort -m f g; printf 'a\0c\0b\0' | sort -z | tr '\0' ' '; echo; sort -h <<< $'1K\n2M\n3'; sort -V <<< $'v1.10\nv1.9'
uniq -c f; uniq -d f; uniq -u f; comm f g; join <(sort -u f) g; paste f g; paste -sd+ n; paste -d, - - - < n | head -2
cut -d' ' -f1 f; cut -c2-4 f; cut -b1 f; tr -d aeiou < f; tr -s a < f; tr '[:lower:]' '[:upper:]' < f; tr -c 'a-z\n' . < f; tr a-c A-C < f
head -2 f; head -c 5 f; echo; head -n -3 f; tail -2 f; tail -n +4 f; tail -c 4 f; tac f; rev <<< abc; nl f; cat -n f; cat -A <<< $'\ta'; cat -s <<< $'a\n\n\n\nb'
wc f; wc -l f g; wc -L f; wc -w < f; wc -m f; fold -w 7 f; fold -s -w 5 <<< 'a bc def'; fmt -w 20 <<< 'the quick brown fox jumps over the lazy dog'; pr -t -2 n | head -3; expand <<< $'a\tb'; unexpand -a <<< 'a       b'; column -t f
od -c <<< abc; od -An -tx1z <<< abc; od -A d -t u2 n | head -2; base64 <<< hello; base64 -d <<< aGVsbG8K; base32 <<< x; basenc --base16 <<< x; hexdump -C <<< abc; xxd <<< abc 2>/dev/null
md5sum f; sha1sum f; sha256sum f; sha512sum f; b2sum f; cksum f; sum f; sha256sum f > s; sha256sum -c s; md5sum nothing 2>&1
split -l 10 n x; ls x*; cat x* | cmp - n; split -n 3 -d n y; ls y*; wc -l y00; csplit -s n 10 20; ls xx*; wc -l xx01; shuf -i 1-10 | sort -n | paste -sd,; shuf -e a | cat; seq -w 8 11; seq -s, 5; seq 1 .5 3; seq 3 -1 1; factor 360 97; numfmt --to=iec 1048576; numfmt --from=si 1K
ptx -G <<< 'one two' ; tsort <<< $'a b\nb c'; expr 3 + 4 \* 2; expr length hello; expr substr hello 2 3; expr abc : 'a\(.\)c'; echo -e 'a\tb\c'; echo; echo -n; printf '%b\n' 'a\tb'; printf '%d %i %o %x %e %g %c\n' 1 2 8 255 1.5 0.1 z; yes no | head -2; bc <<< '2^100; scale=5; 1/3' 2>/dev/null; dircolors -p | wc -l; dircolors > /dev/null; echo $?
head -2 f g; tail -q -n1 f g; tail -f ---disable-inotify f & sleep 0.1; kill $!; wait 2>/dev/null; cmp f g; cmp -s f f; echo $?; diff f g; diff -u f g | tail -n +3; diff -q f g; diff -y -W 30 f g; sdiff -s f g; diff3 f f g; cmp -l <(echo abc) <(echo abd)
