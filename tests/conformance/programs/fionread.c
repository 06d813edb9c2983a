#include <stdio.h>
#include <fcntl.h>
#include <unistd.h>
#include <sys/ioctl.h>
int main(void) {
  int fd=open("fion",O_RDWR|O_CREAT|O_TRUNC,0600);
  int n=7;
  ftruncate(fd,5000000000LL);
  printf("%d ",ioctl(fd,FIONREAD,&n));
  printf("%d\n",n);
  lseek(fd,6000000000LL,SEEK_SET);
  ioctl(fd,FIONREAD,&n);
  printf("%d\n",n);
  ftruncate(fd,10);
  lseek(fd,20,0);
  ioctl(fd,FIONREAD,&n);
  printf("%d\n",n);
  unlink("fion");
}
