#!/bin/sh
# Needs: lscpu getconf
# What /sys says of the first processor's caches, and who reads it.
cd /sys/devices/system/cpu/cpu0/cache || exit
for file in level type size coherency_line_size number_of_sets ways_of_associativity physical_line_partition; do
  grep . index*/$file
done
lscpu -C=NAME,ONE-SIZE,TYPE,LEVEL,SETS,WAYS,COHERENCY-SIZE
getconf -a | grep CACHE
