#!/bin/sh
# #! lines: chains, arguments, missing interpreters, no line at all
printf '#!/bin/sh\necho "$0 $*"\n' > one; chmod +x one; ./one a b
printf '#!./one first  second \necho never\n' > two; chmod +x two; ./two a
printf '#!./two\n' > three; chmod +x three; ./three x
printf '#!./three\n' > four; printf '#!./four\n' > five; printf '#!./five\n' > six; chmod +x four five six
./four x; ./five x; ./six x 2>/dev/null; echo $?
printf '#!/no/such/interpreter\n' > bad; chmod +x bad; ./bad 2>/dev/null; echo $?
printf 'echo no line $1\n' > plain; chmod +x plain; ./plain yes
printf '#!/bin/cat\nthis file\n' > cat; chmod +x cat; ./cat
printf '#!/bin/sh -e\nfalse\necho never\n' > e; chmod +x e; ./e; echo $?
printf '#! \t/bin/echo\thi\n' > space; chmod +x space; ./space
: > empty; chmod +x empty; ./empty; echo $?
chmod -x one; ./one 2>/dev/null; echo $?; mkdir d; ./d 2>/dev/null; echo $?
printf '\177ELFgarbage' > elf; chmod +x elf; ./elf 2>/dev/null; echo $?
env -i ./cat; env -i A=1 /usr/bin/env; env -u HOME sh -c 'echo ${HOME-unset}'
ln -s plain link; ./link linked; cp /bin/true t; ./t; echo $?; PATH=.:$PATH; plain found
