# Needs: tar
. "$(dirname "$0")/../timing.bash"
figure tar-c 1 tar -cf include.tar -C /usr include; figure tar-t 1 tar -tf include.tar > list; grep -v ^@ list | wc -l; grep ^@ list
grep -v ^@ list | sort | md5sum
mkdir out; figure tar-x 1 tar -xf include.tar -C out; diff -r out/include /usr/include && echo same
