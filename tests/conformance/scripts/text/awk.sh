#!/bin/bash
# Needs: gawk mawk
for awk in gawk mawk 'busybox awk'; do
  echo "== $awk"
  seq 20 | $awk 'NR%5==0'; $awk -F: '$3==0{print $1, NF}' /etc/passwd; $awk 'BEGIN{printf "%d %s %5.2f %x\n", 42, "str", 3.14159, 255}'
  echo 'a b c' | $awk '{$2="X"; print; print NF; NF=2; print}'; $awk 'BEGIN{a["x"]=1; a["y"]=2; for(k in a) n+=a[k]; print n; delete a["x"]; print ("x" in a), length(a)}'
  $awk 'function f(n){return n<2?n:f(n-1)+f(n-2)} BEGIN{print f(15)}'; $awk 'BEGIN{while(("echo one; echo two"|getline x)>0) print "got " x; close("echo one; echo two"); system("echo from system"); print "piped" | "cat 1>&2"; close("cat 1>&2")}' 2>&1
  $awk 'BEGIN{print substr("hello",2,3), index("hello","l"), length("hello"), toupper("x"), split("a:b:c",p,":"), p[3]; s="aaa"; gsub(/a/,"b",s); print s; print match("foobar",/o+/), RSTART, RLENGTH; print sprintf("%c",65)}'
  $awk 'BEGIN{print "to file" > "af"; close("af"); while((getline l < "af")>0) print l; print ENVIRON["USER"], ARGC; exit 4}' x; echo $?; printf 'a,b\nc,d\n' | $awk -F, -v OFS=- '{print $2,$1} END{print NR}'; $awk -v RS= 'END{print NR}' <<< $'p1\np1\n\np2'; $awk '/b/,/d/' <<< $'a\nb\nc\nd\ne'
  $awk '{c[length($0)]++} END{for(i=1;i<8;i++) if(c[i]) print i,c[i]}' <(seq 1 10000); $awk 'BEGIN{print length(sprintf("%100000s","")); print 2**10, 7%3, int(-3.7), 1e6, 0.1+0.2, 100000*100000}'; $awk 'BEGIN{print | "sort"; print "b" | "sort"; print "a" | "sort"}' </dev/null
done
gawk 'BEGIN{print strftime("%Y",0,1), systime()>0; print gensub(/(a)(b)/,"\\2\\1","g","abab"); PROCINFO["sorted_in"]="@ind_str_asc"; a["b"];a["a"]; for(k in a) print k; print strtonum("0x1f"), and(6,3)}'
gawk 'BEGIN{cmd="sort"; print "z" |& cmd; print "y" |& cmd; close(cmd,"to"); while((cmd |& getline x)>0) print x; print PROCINFO["version"] != ""}'
gawk --posix 'BEGIN{exit 2}'; echo $?; gawk 'BEGIN{nosuch(' 2>/dev/null; echo $?; gawk -i inplace '{print $1*2}' <(echo) 2>/dev/null; seq 3 > ip; gawk -i inplace '{print $1*2}' ip; cat ip
