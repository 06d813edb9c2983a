# Needs: gcc ar nm gzip rev awk sed tar diff
# Figure: mix-1 the mix in AIM's manner, a job of 1 user
# Figure: mix-2 the same, 2 users at once
# Figure: mix-5 the same, 5 users at once
# Each of N users, at once and in a directory of its own, runs the same ten tasks in an order of its own: task (3k + user) mod 10.
. "$(dirname "$0")/../timing.bash"
input=$PWD/input
task_cc() {
  cp "$input/qsort.c" . && gcc -O1 -o sorted qsort.c && ./sorted
  gcc -c qsort.c && ar rc libq.a qsort.o && nm qsort.o | sort && ar t libq.a && rm sorted libq.a
}
task_sort() { sort -k2,2 -k1,1n -S 1M -T . "$input/words" | cut -d' ' -f2 | uniq -c | sort -rn -k1,1 -k2,2 | head -20; }
task_grep() {
  (cd "$input/files" && grep -rn 'w1[0-9] ' . | sort | md5sum; grep -c w7 f* | tail -3; find . -size +8k | sort | xargs wc)
}
task_tar() {
  tar -cf - -C "$input" files | gzip -1 > a.tar.gz && tar -xzf a.tar.gz && tar -tzf a.tar.gz | sort | md5sum
  diff -r files "$input/files" && echo same; rm -r files
}
task_files() {
  for ((i = 0; i < 100; i++)); do echo "file $i" > "f$i"; done
  for ((i = 0; i < 10; i++)); do mv "f$i" "g$i"; done
  ls -l f* g* | wc -l; cat f5* g*; mkdir d; mv f* g* d; rm -r d
}
task_sh() {
  local sum=0 i
  for ((i = 0; i < 2000; i++)); do ((sum = (sum * 31 + i) % 65521)); done
  echo "$sum"
  for ((i = 0; i < 20; i++)); do echo "$(echo "a$i" | sed 's/a/b/')"; done
}
task_pipe() {
  cat "$input/words" | tr a-z A-Z | rev | tr 0-9 a-j | sort | uniq | tail -20
  yes | head -c 2000000 | cat | md5sum
}
task_cp() {
  cp -r "$input/files" copy && chmod -R g-r,o-r copy && touch -d @86400 copy/* && ls -lR copy | awk '/^-/ { print $1, $5, $6, $7, $9 }'
  sed -i s/w1/x1/g copy/f1[0-9] copy/f2[01]; cmp copy/f12 "$input/files/f12"; cat copy/* | md5sum; rm -r copy
}
task_awk() {
  awk '{ sum[$2] += $1; seen[$2]++ } END { for (word in sum) print word, sum[word], seen[word] }' "$input/words" | sort
  seq 20000 | awk '{ sum += sin($1) } END { printf "%.6f\n", sum }'
}
task_spawn() {
  for ((i = 0; i < 30; i++)); do env true; expr "$i" \* 7; done
  sleep 0.01 & wait $!; echo $?
  env -i sh -c 'echo "${HOME:-none}"'
}
user() {
  local order=(cc sort grep tar files sh pipe cp awk spawn) k task
  for ((k = 0; k < 10; k++)); do
    task=${order[(3 * k + $1) % 10]}
    mkdir "$task"; (cd "$task" && "task_$task" > o 2>&1)
  done
}
mix() {
  local u
  for ((u = 0; u < $1; u++)); do mkdir "$u"; (cd "$u" && user "$u") & done
  wait
}
mkdir -p input/files
awk 'BEGIN { for (x = n = 1; n <= 20000; n++) { x = x * 16807 % 2147483647; print x, "w" x % 97, n } }' > input/words
for ((f = 0; f < 40; f++)); do head -n $((50 + f * 37)) input/words > "input/files/f$f"; done
cat > input/qsort.c <<'C'
#include <stdio.h>
#include <stdlib.h>
static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
int main(void) {
  static int numbers[50000];
  unsigned seed = 1;
  for (int i = 0; i < 50000; i++) numbers[i] = (seed = seed * 1103515245 + 12345) >> 8;
  qsort(numbers, 50000, sizeof *numbers, compare);
  printf("%d %d %d\n", numbers[0], numbers[25000], numbers[49999]);
}
C
for users in 1 2 5; do
  mkdir "users$users"; cd "users$users" || exit
  figure "mix-$users" $((10 * users)) mix "$users"
  md5sum */*/o; cd .. && rm -r "users$users"
done
