# What the scripts share. A line "@NAME NANOSECONDS" is a figure of a run: how long one of the things took that the script did.

now() { printf %s "${EPOCHREALTIME/[.,]/}"; } # microseconds

# figure NAME COUNT COMMAND...: run the command, which does COUNT things, and tell how long one took; its status is the command's.
figure() {
  local name=$1 count=$2 begin end status
  shift 2
  begin=$(now)
  "$@"
  status=$?
  end=$(now)
  echo "@$name $(((end - begin) * 1000 / count))"
  return $status
}

# rate NAME PER_SECOND: the same from a figure that a program measured itself.
rate() { awk -v name="$1" -v rate="$2" 'BEGIN { if (rate > 0) printf "@%s %.0f\n", name, 1e9 / rate }'; }

# until_ready COMMAND...: again and again, for at most 60 s, until it succeeds.
until_ready() {
  local end=$((SECONDS + 60))
  until "$@" > /dev/null 2>&1; do
    ((SECONDS < end)) || { echo "not ready: $*"; return 1; }
    sleep 0.05
  done
}

# as_somebody COMMAND...: as an ordinary user, whoever runs the script.
as_somebody() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"; else "$@"; fi; }
