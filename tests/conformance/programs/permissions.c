/* Who may do what: modes, owners, groups, sticky and setgid directories, access(2), capabilities. Other users only where root runs it. */
#include "show.h"
#include <grp.h>
#include <linux/capability.h>
#include <sys/fsuid.h>

static void mode(const char *path) {
  struct stat st;
  if (lstat(path, &st)) printf("%s: %s\n", path, strerrorname_np(errno));
  else printf("%s: %o %d:%d\n", path, st.st_mode, (int)st.st_uid, (int)st.st_gid);
}
static void become(int uid, int gid, int extra) { gid_t groups[2] = {extra, 7000}; setgroups(extra ? 2 : 0, groups); setresgid(gid, gid, gid); setresuid(uid, uid, uid); }
static void caps(unsigned effective) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0}; struct __user_cap_data_struct data[2];
  syscall(SYS_capget, &header, data); data[0].effective = effective; data[1].effective = 0;
  printf("capset %x: %ld\n", effective, syscall(SYS_capset, &header, data));
}

int main(void) {
  struct stat st;
  char text[64];
  umask(022); setvbuf(stdout, NULL, _IOLBF, 0);
  chmod(".", 0755);
  puts("-- the owner");
  put("f", "text"); chmod("f", 0); TRUTH(geteuid() == 0 || open("f", O_RDONLY) < 0); SHOW(access("f", X_OK)); chmod("f", 0100); SHOW(access("f", X_OK));
  SHOW(chmod("f", 06755)); mode("f"); SHOW(chown("f", -1, -1)); mode("f"); SHOW(chmod("f", 02644)); SHOW(chown("f", -1, -1)); mode("f"); SHOW(chmod("f", 0177777)); mode("f"); SHOW(chmod("f", 0644));
  SHOW(fchmodat(AT_FDCWD, "f", 0600, AT_SYMLINK_NOFOLLOW)); symlink("f", "l"); SHOW(fchmodat(AT_FDCWD, "l", 0600, AT_SYMLINK_NOFOLLOW)); SHOW(lchown("l", -1, -1)); SHOW(chmod("none", 0)); SHOW(chown("none", 0, 0)); SHOW(chmod("", 0)); SHOW(fchownat(AT_FDCWD, "", -1, -1, AT_EMPTY_PATH)); SHOW(fchownat(AT_FDCWD, "f", -1, -1, 0x2000)); SHOW(faccessat(AT_FDCWD, "f", R_OK, 0x4000)); SHOW(syscall(SYS_faccessat2, AT_FDCWD, "f", R_OK, 0x4000)); SHOW(syscall(SYS_faccessat2, AT_FDCWD, "f", 010, 0)); SHOW(syscall(SYS_faccessat2, AT_FDCWD, "l", F_OK, AT_SYMLINK_NOFOLLOW));
  if (geteuid()) { puts("not root"); return 0; }

  puts("-- root");
  chmod("f", 0); SHOW(close(open("f", O_RDWR))); SHOW(access("f", R_OK | W_OK)); SHOW(access("f", X_OK)); mkdir("d0", 0); SHOW(access("d0", X_OK | W_OK)); SHOW(chown("f", 5000, 6000)); mode("f"); chmod("f", 06755); SHOW(chown("f", 5001, -1)); mode("f"); chmod("f", 06745); SHOW(chown("f", -1, 6001)); mode("f"); chmod("d0", 06755); SHOW(chown("d0", 5000, 6000)); mode("d0");
  chmod("f", 06755); int fd = open("f", O_RDWR); SHOW(write(fd, "x", 1)); mode("f"); close(fd);
  mkdir("open", 0777); chmod("open", 0777); mkdir("sticky", 01777); chmod("sticky", 01777); mkdir("group", 02775); chown("group", 5000, 6000); chmod("group", 02775); mkdir("closed", 0700); put("closed/f", "x"); put("mine", "x"); put("sticky/root", "x"); chown("f", 5000, 6000); chmod("f", 0640); mkdir("noexec", 0766); chmod("noexec", 0766); put("noexec/f", "x"); mkdir("noread", 0773); chmod("noread", 0773); put("noread/f", "x"); put("set", "x"); chown("set", 5000, 6000); chmod("set", 06777); put("set2", "x"); chown("set2", 5000, 6000); chmod("set2", 06767); put("sticky/theirs", "x"); chown("sticky/theirs", 5001, 6001); mkdir("sticky/dir", 0777); chmod("sticky/dir", 0777); symlink("root", "sticky/link"); mkdir("theirsticky", 01777); chmod("theirsticky", 01777); chown("theirsticky", 5000, 6000); put("theirsticky/f", "x"); mkfifo("sticky/fifo", 0666); chmod("sticky/fifo", 0666);

  CHILD("user 5000 of group 6000", {
    become(5000, 6000, 0);
    SHOW(open("closed/f", O_RDONLY)); SHOW(stat("closed/f", &st)); SHOW(stat("closed", &st)); SHOW(open("mine", O_RDWR)); SHOW(open("mine", O_RDONLY)); SHOW(open("mine", O_RDONLY | O_TRUNC)); SHOW(truncate("mine", 0)); SHOW(open("new", O_CREAT | O_RDWR, 0600)); SHOW(mkdir("newd", 0700)); SHOW(unlink("mine")); SHOW(rename("mine", "open/mine")); SHOW(symlink("a", "s")); SHOW(chmod("mine", 0777)); SHOW(chown("mine", 5000, -1)); SHOW(chown("f", 5000, -1)); SHOW(chown("f", -1, 6000)); SHOW(chown("f", 5001, -1)); SHOW(chown("f", -1, 6001)); SHOW(utimensat(AT_FDCWD, "mine", NULL, 0)); struct timespec t[2] = {{1, 0}, {1, 0}}; SHOW(utimensat(AT_FDCWD, "mine", t, 0)); SHOW(utimensat(AT_FDCWD, "f", t, 0)); SHOW(open("mine", O_RDONLY | O_NOATIME)); SHOW(open("f", O_RDONLY | O_NOATIME) >= 0); int r = open("mine", O_RDONLY); SHOW(fcntl(r, F_SETFL, O_NOATIME)); SHOW(fchmod(r, 0777)); SHOW(open("noexec/f", O_RDONLY)); SHOW(access("noexec", R_OK)); SHOW(stat("noexec/f", &st)); SHOW(stat("noexec/none", &st)); SHOW(open("noread", O_RDONLY)); SHOW(stat("noread/f", &st)); SHOW(chdir("noexec")); SHOW(chdir("closed")); SHOW(chroot("open"));
    SHOW(unlink("sticky/root")); SHOW(rename("sticky/root", "open/x")); SHOW(rename("sticky/root", "sticky/x")); SHOW(rmdir("sticky/dir")); SHOW(unlink("sticky/none")); SHOW(close(open("sticky/own", O_CREAT | O_RDWR, 0600))); SHOW(rename("sticky/own", "sticky/theirs")); SHOW(rename("sticky/own", "sticky/own2")); SHOW(unlink("sticky/own2")); SHOW(unlink("theirsticky/f"));
    SHOW(close(open("group/g", O_CREAT | O_RDWR, 02775))); mode("group/g"); SHOW(mkdir("group/gd", 0755)); mode("group/gd"); SHOW(chmod("f", 02640)); mode("f"); SHOW(chmod("f", 06777)); mode("f"); SHOW(chown("f", -1, 6000)); mode("f"); SHOW(chmod("f", 02767)); SHOW(chown("f", -1, 6000)); mode("f"); SHOW(chmod("f", 01644)); mode("f"); SHOW(mknod("open/dev", S_IFCHR | 0600, 0x103)); SHOW(mknod("open/fifo", S_IFIFO | 0600, 0)); SHOW(setgroups(0, NULL)); SHOW(setuid(0)); SHOW(setgid(0)); SHOW(setresuid(-1, 5001, -1)); SHOW(setreuid(5000, 5000)); SHOW(close(open("sticky/fifo", O_RDWR)));
  });
  CHILD("user 5002 with group 6000 beside his own", {
    become(5002, 6002, 6000);
    SHOW(access("f", R_OK)); SHOW(access("f", W_OK)); SHOW(open("f", O_RDWR)); int w = open("set", O_RDWR); SHOW(write(w, "x", 1)); mode("set"); close(w); w = open("set2", O_RDWR); SHOW(write(w, "x", 1)); mode("set2"); close(w); SHOW(close(open("group/h", O_CREAT | O_RDWR, 02755))); mode("group/h"); SHOW(mkdir("group/hd", 0700)); mode("group/hd"); SHOW(chmod("group/h", 02755)); mode("group/h"); SHOW(close(open("open/h", O_CREAT | O_RDWR, 06755))); mode("open/h"); SHOW(chmod("open/h", 02755)); mode("open/h"); SHOW(chown("open/h", -1, 6000)); mode("open/h"); SHOW(chown("open/h", -1, 7000)); mode("open/h"); SHOW(chown("open/h", -1, 7001)); SHOW(chown("open/h", 5000, -1)); SHOW(access("closed/f", F_OK)); SHOW(truncate("set", 0));
  });
  CHILD("nobody in particular", {
    become(5003, 6003, 0);
    SHOW(open("f", O_RDONLY)); SHOW(access("f", R_OK)); SHOW(open("group/x", O_CREAT, 0600)); SHOW(close(open("open/tmp", O_TMPFILE | O_RDWR, 0600))); SHOW(open("group", O_TMPFILE | O_RDWR, 0600)); SHOW(close(open("mine", O_PATH))); SHOW(open("closed/f", O_PATH));
  });
  CHILD("effective and real", {
    setegid(6000); seteuid(5000); SHOW(access("closed/f", R_OK)); SHOW(faccessat(AT_FDCWD, "closed/f", R_OK, AT_EACCESS)); SHOW(open("closed/f", O_RDONLY)); SHOW(close(open("open/e", O_CREAT | O_RDWR, 0600))); mode("open/e"); seteuid(0); SHOW(close(open("closed/f", O_RDONLY)));
    SHOW(setfsuid(5000)); SHOW(open("closed/f", O_RDONLY)); SHOW(setfsuid(5000)); SHOW(close(open("open/fs", O_CREAT | O_RDWR, 0600))); mode("open/fs"); SHOW(setfsuid(0)); SHOW(close(open("closed/f", O_RDONLY))); SHOW(setreuid(5000, 0)); SHOW(access("closed/f", R_OK)); SHOW(close(open("closed/f", O_RDONLY))); int r, e, s; getresuid(&r, &e, &s); printf("%d %d %d\n", r, e, s); SHOW(setreuid(-1, 5000)); getresuid(&r, &e, &s); printf("%d %d %d\n", r, e, s); SHOW(seteuid(0)); SHOW(setreuid(5000, 5001)); getresuid(&r, &e, &s); printf("%d %d %d\n", r, e, s); SHOW(setreuid(5001, 5000)); getresuid(&r, &e, &s); printf("%d %d %d\n", r, e, s); SHOW(setreuid(5000, -1)); SHOW(setuid(5001)); getresuid(&r, &e, &s); printf("%d %d %d\n", r, e, s);
  });
  CHILD("capabilities", {
    caps(0); SHOW(open("closed", O_RDONLY) >= 0); SHOW(open("f", O_RDWR)); SHOW(chown("mine", 1, 1)); SHOW(chmod("f", 0600)); SHOW(chroot("open")); SHOW(setuid(1)); SHOW(setgroups(0, NULL)); SHOW(unlink("sticky/theirs")); mode("sticky/theirs");
    caps(1 << CAP_CHOWN); SHOW(chown("mine", 1, 1)); SHOW(chown("mine", 0, 0)); SHOW(chmod("f", 0600)); caps(1 << CAP_FOWNER); SHOW(chmod("f", 0600)); SHOW(open("f", O_RDONLY)); caps(1 << CAP_DAC_READ_SEARCH); SHOW(close(open("f", O_RDONLY))); SHOW(open("f", O_RDWR)); SHOW(open("group/no", O_CREAT | O_RDWR, 0600)); SHOW(access("f", W_OK)); caps(1 << CAP_DAC_OVERRIDE); SHOW(close(open("f", O_RDWR))); SHOW(chmod("group", 0777)); caps(1 << CAP_SETUID); SHOW(setgid(1)); SHOW(setuid(1)); SHOW(setuid(0));
  });
  return 0;
}
