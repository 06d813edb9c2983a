#!/bin/bash
set -u
cat <<X
one $((1+1)) $(echo nested "quoted $(echo deep)")
X
cat <<'X'
$not expanded `at all`
X
cat <<-X
	indented
	X
cat <<< "here string $((3*4))"
tr a-z A-Z <<< 'upper'
a=(one two three); a[7]=eight; echo "${a[@]}" "${!a[@]}" "${#a[@]}" "${a[@]:1:2}"
declare -A m=([k]=v [x]=y); echo "${m[k]}" "${m[x]}" "${#m[@]}"
s=hello.tar.gz; echo "${s%.*} ${s%%.*} ${s#*.} ${s##*.} ${s/l/L} ${s//l/L} ${s^^} ${s:1:3} ${#s}"
echo {a..e} {1..10..3} {x,y}{1,2}
for ((i = 0; i < 3; i++)); do echo -n "$i "; done; echo
i=0; while :; do ((i++ >= 5)) && break; ((i == 2)) && continue; echo -n "$i "; done; echo
case foobar in f*r) echo matched ;;& foo*) echo also ;; *) echo not ;; esac
[[ abc =~ ^a(.)c$ ]] && echo "${BASH_REMATCH[1]}"
f() { local x=$1; echo "f $x $#"; return 3; }; f a b; echo $?
printf '%s|%5d|%-5s|%05.2f|%x|%q\n' str 42 left 3.14159 255 'a b'
printf -v var '%03d' 7; echo $var
select x in one two; do echo "chose $x"; break; done <<< 2 2>&1
mapfile -t lines < <(printf 'a\nb\nc\n'); echo "${#lines[@]} ${lines[2]}"
IFS=: read -r one two rest <<< 'a:b:c:d'; echo "$one $two $rest"
read -r -n 3 three <<< abcdef; echo $three
echo "$(( 2**10 )) $(( 0x1f )) $(( 7 % 3 )) $(( 1 << 4 | 1 )) $(( -7 / 2 ))"
shopt -s extglob nullglob; touch a1 a2 b1; echo a* !(a*) +(b)?; echo none*
echo "${unset_var:-default}" "${unset_var+set}"
(echo "${must:?is not set}") 2>&1 | sed 's/.*line [0-9]*: //'
echo $?
type -t cd echo f if ls
eval 'echo evaluated'
set -- x y z; shift; echo "$* $#"
getopts ab: opt -b value; echo "$opt $OPTARG"
trap -p; trap 'echo exiting' EXIT
exit 5
