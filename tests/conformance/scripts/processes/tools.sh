#!/bin/bash
# Needs: ps pstree pgrep lsof free vmstat uptime w top pmap
# What the tools that read /proc say of processes whose numbers and times do not matter.
cp /bin/sleep snoozing
mkfifo held
(
  ./snoozing 60 &
  ./snoozing 61 > held &
  exec -a renamed ./snoozing 62
) &
top=$!
exec 5<held
while [ "$(pgrep -c -P $top)" != 2 ] || [ "$(ps -o args= $top | cut -c1-7)" != renamed ]; do :; done
numbers() { sed 's/[0-9][0-9]*/N/g'; }
echo == ps
ps -o stat=,nlwp=,ni=,comm=,args= --ppid $top | sort
ps -o stat=,comm=,args= $top
ps -o ppid= --ppid $top | sort -u | grep -c "^ *$top$"
ps -e -o comm= | grep -c snoozing
ps -L -o comm= $top
ps -o pid= -C snoozing | wc -l
echo == tree
pstree -A $top
pstree -pA $top | numbers | sed 's/^ */  /'
pgrep -a -P $top snoozing | numbers
pgrep -f 'snoozing 6[01]' | wc -l
pidof ./snoozing | wc -w
echo == status
grep -E '^(Name|State|Threads|TracerPid|SigPnd|ShdPnd|SigBlk|NoNewPrivs|Seccomp):' /proc/$top/status
kill -STOP $top
while [ "$(ps -o stat= $top | cut -c1)" != T ]; do :; done
grep ^State: /proc/$top/status
kill -CONT $top
awk '{print NF}' /proc/$top/stat /proc/$top/statm
echo == files
lsof -a -p $top -d cwd,txt -F ftn | sed 's/^p.*/pN/'
lsof -a -c snoozing -d 1 -F n | grep -c /held
readlink /proc/$top/exe
echo == memory
pmap $top | awk '/snoozing|stack/ {print $3, $4, $5}' | sort -u
free | awk '{print $1, NF}'
vmstat | head -2
uptime | grep -c 'load average'
w -h | wc -l | grep -c .
top -b -n1 -p $top | awk 'NR == 7 || $NF == "snoozing" {print $2 == ENVIRON["LOGNAME"], NF, $NF}'
kill $(pgrep -P $top) $top
wait
