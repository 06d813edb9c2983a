# Needs: gcc make cp
# Source: gawk
# Figure: make-j2 make -j2 of gawk, 75,000 lines of C
. "$(dirname "$0")/../timing.bash"
cp -a "$1/." .
figure make-j2 1 make -j2 > log 2>&1; echo "make $?"; grep ^@ log; grep -ciE 'warning: (clock skew|.*modification time)' log
./gawk 'BEGIN { printf "%s %d\n", PROCINFO["version"], 6 * 7 }'; echo a b c | ./gawk '{ print NF, $2 }'; md5sum gawk | cut -d' ' -f1
