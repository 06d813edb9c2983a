/* Where contexts and the kernel run, and whether who waits spins (docs/decisions/0005). */
#include "host.h"

/* Put a context on the processors that are for contexts now. */
void place(Context *c) {
  Machine *m = c->space->machine;
  if (m->kernel_processor >= 0 && syscall(SYS_tgkill, c->space->pid, c->tid, 0) == 0) /* the number could be anybody's */
    sched_setaffinity(c->tid, sizeof m->all, m->wide ? &m->all : &m->processors);
}

/* Put a new space's mapper beside the kernel, which waits for it: a hand-over on one processor (bench: mmap and munmap 60 -> 42 us). */
void place_mapper(Space *s) {
  cpu_set_t own;
  if (s->machine->kernel_processor < 0)
    return;
  CPU_ZERO(&own);
  CPU_SET(s->machine->kernel_processor, &own);
  sched_setaffinity(s->pid, sizeof own, &own);
}

/* A trapped context spins while the processors have nothing else to run: say whether they have. Written only when it changes. */
static void set_crowded(Machine *m, int crowded) {
  if ((int)m->doorbell->crowded != crowded)
    __atomic_store_n(&m->doorbell->crowded, crowded, __ATOMIC_RELAXED);
}

/* Share all processors among kernel and contexts, or give the kernel one to itself again. */
static void spread(Machine *m, int wide) {
  cpu_set_t own;
  CPU_ZERO(&own);
  CPU_SET(m->kernel_processor, &own);
  m->wide = wide;
  sched_setaffinity(0, sizeof own, wide ? &m->all : &own);
  for (unsigned bell = 0; bell < SYSTEM_CONTEXTS; bell++)
    if (m->bells[bell] && m->bells[bell]->space->alive)
      place(m->bells[bell]);
}

/* From time to time: contexts that compute, and want more processors than theirs, get the kernel's too. Where they trap often, a kernel that
 * spins on a processor of its own serves them better (bench: two loops in a shell 2.1 -> 1.2 s so, but two gcc at a time 2.4 -> 3.0). */
void weigh(Machine *m, uint64_t now) {
  uint64_t rate = (m->traps - m->weighed_traps) * 1000000000 / (now - m->weighed + 1);
  int computing = m->active > m->guest_processors && rate < (m->wide ? 2 * COMPUTING_RATE : COMPUTING_RATE);
  m->weighed_traps = m->traps;
  m->weighed = now;
  if (m->kernel_processor >= 0 && computing != m->wide)
    spread(m, computing);
}

void set_running(Context *c) {
  Machine *m = c->space->machine;
  if (m->last_trapped != c || m->active >= m->guest_processors || m->wide)
    set_crowded(m, 1); /* the one that trapped last may be spinning where this one will run */
  m->active++;
  c->running = 1;
}

void set_stopped(Context *c) {
  Machine *m = c->space->machine;
  m->active--;
  m->last_trapped = c;
  int crowded = m->active >= m->guest_processors;
  set_crowded(m, crowded || m->wide);
  c->running = 0;
}
