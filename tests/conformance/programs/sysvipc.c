/* System V shared memory, semaphores and message queues. */
#include "show.h"
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

union semun { int val; struct semid_ds *buf; unsigned short *array; struct seminfo *info; };
static int op(int id, int number, int change, int flags) { struct sembuf one = {number, change, flags}; return semop(id, &one, 1); }
static void nothing(int number) { (void)number; }
struct message { long type; char text[9000]; };

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  key_t key = 0x534b0000 + (getpid() & 0xffff);

  puts("-- shared memory");
  struct shmid_ds segment;
  SHOW(shmget(key, 5000, 0600)); SHOW(shmget(key, 0, IPC_CREAT | 0600));
  int id = shmget(key, 5000, IPC_CREAT | 0640);
  TRUTH(id >= 0); TRUTH(shmget(key, 100, 0) == id); SHOW(shmget(key, 6000, 0)); SHOW(shmget(key, 5000, IPC_CREAT | IPC_EXCL));
  char *at = shmat(id, NULL, 0), *again = shmat(id, NULL, SHM_RDONLY);
  TRUTH(at != (char *)-1 && again != (char *)-1 && at != again); strcpy(at, "hello"); puts(again);
  SHOW(shmctl(id, IPC_STAT, &segment)); SHOW(segment.shm_segsz); SHOW(segment.shm_nattch); SHOW(segment.shm_perm.mode); TRUTH(segment.shm_cpid == getpid() && segment.shm_lpid == getpid() && segment.shm_perm.__key == key); TRUTH(segment.shm_atime > 0 && segment.shm_dtime == 0);
  CHILD("child", { shmctl(id, IPC_STAT, &segment); SHOW(segment.shm_nattch); strcpy(at + 4096, "from the child"); SHOW(shmdt(at)); shmctl(id, IPC_STAT, &segment); SHOW(segment.shm_nattch); SHOW(shmdt(at)); });
  puts(again + 4096); SHOW(shmctl(id, IPC_STAT, &segment)); SHOW(segment.shm_nattch); CHILD("read only", again[0] = 'x');
  SHOW(mprotect(again, 4096, PROT_WRITE)); SHOW(shmat(id, at + 1, 0)); SHOW(shmat(id, at, 0)); WORKS(shmat(id, at, SHM_REMAP)); SHOW(shmat(id, NULL, SHM_REMAP)); SHOW(shmat(-1, NULL, 0)); SHOW(shmat(999999, NULL, 0)); SHOW(shmctl(id, 999, NULL)); SHOW(shmdt(at + 4096));
  segment.shm_perm.mode = 0600; SHOW(shmctl(id, IPC_SET, &segment)); SHOW(shmctl(id, IPC_STAT, &segment)); SHOW(segment.shm_perm.mode);
  SHOW(shmctl(id, IPC_RMID, NULL)); SHOW(shmget(key, 0, 0)); SHOW(shmctl(id, IPC_STAT, &segment)); SHOW(segment.shm_perm.mode); TRUTH(segment.shm_perm.__key == 0); puts(at); CHILD("attached still", { WORKS(shmat(id, NULL, 0)); });
  SHOW(shmdt(at)); SHOW(shmdt(again)); SHOW(shmctl(id, IPC_STAT, &segment));
  int private = shmget(IPC_PRIVATE, 4096, 0600); TRUTH(private >= 0 && private != id); SHOW(shmctl(private, IPC_RMID, NULL));

  puts("-- semaphores");
  struct semid_ds set; union semun argument;
  SHOW(semget(key, 3, 0600)); SHOW(semget(key, 0, IPC_CREAT)); SHOW(semget(key, 100000, IPC_CREAT));
  id = semget(key, 3, IPC_CREAT | 0600);
  TRUTH(id >= 0); TRUTH(semget(key, 0, 0) == id); SHOW(semget(key, 4, 0)); SHOW(semget(key, 3, IPC_CREAT | IPC_EXCL));
  argument.buf = &set; SHOW(semctl(id, 0, IPC_STAT, argument)); SHOW(set.sem_nsems); SHOW(set.sem_otime);
  argument.val = 5; SHOW(semctl(id, 1, SETVAL, argument)); SHOW(semctl(id, 1, GETVAL)); SHOW(semctl(id, 3, GETVAL)); argument.val = 40000; SHOW(semctl(id, 1, SETVAL, argument)); argument.val = -1; SHOW(semctl(id, 1, SETVAL, argument));
  unsigned short values[3] = {1, 2, 3}; argument.array = values; SHOW(semctl(id, 0, SETALL, argument)); memset(values, 0, sizeof values); SHOW(semctl(id, 0, GETALL, argument)); printf("%d %d %d\n", values[0], values[1], values[2]);
  SHOW(op(id, 0, -1, 0)); SHOW(op(id, 0, -1, IPC_NOWAIT)); SHOW(op(id, 0, 0, 0)); SHOW(op(id, 1, 0, IPC_NOWAIT)); SHOW(op(id, 1, 32767, 0)); SHOW(op(id, 5, 1, 0)); SHOW(op(-1, 0, 1, 0)); SHOW(semop(id, NULL, 0)); SHOW(semop(id, (void *)8, 1)); SHOW(semop(id, (void *)8, 1000));
  struct sembuf both[2] = {{1, -1, 0}, {0, -1, IPC_NOWAIT}}; SHOW(semop(id, both, 2)); SHOW(semctl(id, 1, GETVAL)); TRUTH(semctl(id, 0, GETPID) == getpid());
  struct timespec brief = {0, 20000000}; struct sembuf one = {0, -1, 0}; SHOW(semtimedop(id, &one, 1, &brief));
  CHILD("undone", { SHOW(op(id, 2, -3, SEM_UNDO)); SHOW(semctl(id, 2, GETVAL)); }); SHOW(semctl(id, 2, GETVAL));
  CHILD("undone after a kill", { op(id, 2, 4, SEM_UNDO); raise(SIGKILL); }); SHOW(semctl(id, 2, GETVAL));
  fflush(stdout); pid_t waiter = fork(); if (!waiter) _exit(op(id, 0, -2, 0) == 0 ? 5 : 6);
  while (semctl(id, 0, GETNCNT) == 0) usleep(1000); SHOW(semctl(id, 0, GETNCNT)); SHOW(semctl(id, 0, GETZCNT)); SHOW(op(id, 0, 1, 0)); SHOW(op(id, 0, 1, 0)); int status; waitpid(waiter, &status, 0); show_status("woken", status); SHOW(semctl(id, 0, GETVAL));
  catch(SIGALRM, nothing, SA_RESTART); alarm_in(30); SHOW(op(id, 0, -1, 0));
  fflush(stdout); waiter = fork(); if (!waiter) { op(id, 0, -1, 0); _exit(errno == EIDRM); } while (semctl(id, 0, GETNCNT) == 0) usleep(1000);
  SHOW(semctl(id, 0, IPC_RMID)); waitpid(waiter, &status, 0); show_status("removed", status); SHOW(semctl(id, 0, GETVAL)); SHOW(op(id, 0, 1, 0));

  puts("-- messages");
  struct msqid_ds queue; static struct message message, got;
  SHOW(msgget(key, 0)); id = msgget(key, IPC_CREAT | 0600); TRUTH(id >= 0); TRUTH(msgget(key, 0) == id); SHOW(msgget(key, IPC_CREAT | IPC_EXCL));
  message.type = 0; SHOW(msgsnd(id, &message, 1, 0)); message.type = -1; SHOW(msgsnd(id, &message, 1, 0)); message.type = 1; SHOW(msgsnd(id, &message, 8193, 0)); SHOW(msgsnd(-1, &message, 1, 0)); SHOW(msgsnd(id, (void *)8, 1, 0));
  for (int type = 3; type >= 1; type--) { message.type = type; sprintf(message.text, "message %d", type); SHOW(msgsnd(id, &message, 10, 0)); }
  SHOW(msgctl(id, IPC_STAT, &queue)); SHOW(queue.msg_qnum); SHOW(queue.__msg_cbytes); SHOW(queue.msg_qbytes); TRUTH(queue.msg_lspid == getpid() && queue.msg_lrpid == 0);
  SHOW(msgrcv(id, &got, 5, 2, 0)); SHOW(msgrcv(id, &got, 5, 2, MSG_NOERROR)); printf("%ld %.5s\n", got.type, got.text); SHOW(msgrcv(id, &got, 100, 2, IPC_NOWAIT)); SHOW(msgrcv(id, &got, 100, -2, 0)); puts(got.text); message.type = 9; SHOW(msgsnd(id, &message, 0, 0)); SHOW(msgrcv(id, &got, 100, 3, MSG_EXCEPT)); SHOW(got.type); SHOW(msgrcv(id, &got, 100, 0, 0)); puts(got.text); SHOW(msgrcv(id, &got, 100, 0, IPC_NOWAIT)); SHOW(msgrcv(id, &got, -1, 0, 0));
  message.type = 1; for (int i = 0; i < 2; i++) SHOW(msgsnd(id, &message, 8192, IPC_NOWAIT)); SHOW(msgsnd(id, &message, 1, IPC_NOWAIT));
  CHILD("receiver", { SHOW(msgrcv(id, &got, 8192, 0, 0)); }); SHOW(msgsnd(id, &message, 1, IPC_NOWAIT));
  fflush(stdout); waiter = fork(); if (!waiter) _exit((int)msgrcv(id, &got, 8192, 77, 0)); message.type = 77; SHOW(msgsnd(id, &message, 7, 0)); waitpid(waiter, &status, 0); show_status("received", status);
  alarm_in(30); SHOW(msgrcv(id, &got, 100, 99, 0)); queue.msg_qbytes = 100; SHOW(msgctl(id, IPC_SET, &queue)); SHOW(msgsnd(id, &message, 1, IPC_NOWAIT)); SHOW(msgctl(id, IPC_RMID, NULL)); SHOW(msgctl(id, IPC_STAT, &queue)); SHOW(msgrcv(id, &got, 100, 0, 0));
  return 0;
}
