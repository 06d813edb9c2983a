# Needs: tar
# Figure: tar-c tar -c of /usr/include
# Figure: tar-t tar -t of the same
# Figure: tar-x tar -x of the same
. "$(dirname "$0")/../timing.bash"
figure tar-c 1 tar -cf include.tar -C /usr include; figure tar-t 1 tar -tf include.tar > list; grep -v ^@ list | wc -l; grep ^@ list
grep -v ^@ list | sort | md5sum
mkdir out; figure tar-x 1 tar -xf include.tar -C out; diff -r out/include /usr/include && echo same
