# Needs: ssh-keygen sshd ssh
# Figure: ssh-keygen ssh-keygen of an ed25519 key
# Figure: ssh-session a session of ssh with a command
# Figure: ssh-copy 100,000 lines through ssh
. "$(dirname "$0")/../timing.bash"
umask 077
for kind in 'rsa -b 2048' 'ecdsa -b 256' 'ecdsa -b 384' 'ecdsa -b 521' ed25519; do
  set -- $kind
  ssh-keygen -q -t "$@" -N '' -C me -f "key$1$3" && ssh-keygen -l -f "key$1$3.pub" | cut -d' ' -f1,3-
  echo text > message; ssh-keygen -q -Y sign -f "key$1$3" -n file message 2> /dev/null; ssh-keygen -Y check-novalidate -n file -s message.sig < message | cut -d' ' -f1-5; rm message.sig
done
ssh-keygen -q -t ed25519 -N 'a passphrase' -f locked; ssh-keygen -y -P 'a passphrase' -f locked > public && cut -d' ' -f1 public; ssh-keygen -y -P wrong -f locked 2>&1 | cut -d: -f2-
ten() { for i in 0 1 2 3 4 5 6 7 8 9; do ssh-keygen -q -t ed25519 -N '' -f "ten$i"; done; }
figure ssh-keygen 10 ten
cp keyed25519.pub authorized; printf '[127.0.0.1]:7394 %s\n' "$(cut -d' ' -f1,2 ten0.pub)" > known; mkdir -p /run/sshd 2> /dev/null
printf '%s\n' 'Port 7394' 'ListenAddress 127.0.0.1' "HostKey $PWD/ten0" "AuthorizedKeysFile $PWD/authorized" "PidFile $PWD/pid" 'StrictModes no' 'UsePAM no' 'PermitRootLogin yes' > conf
printf '%s\n' 'Host s' 'HostName 127.0.0.1' 'Port 7394' "UserKnownHostsFile $PWD/known" "IdentityFile $PWD/keyed25519" 'IdentitiesOnly yes' "User $(id -un)" > client
/usr/sbin/sshd -f conf -E "$PWD/log"; until_ready test -s pid
five() { for i in 1 2 3 4 5; do ssh -F client s "echo session $i; exit $i" < /dev/null; echo $?; done; }
figure ssh-session 5 five
seq 100000 | figure ssh-copy 1 ssh -F client s md5sum
kill "$(cat pid)"
